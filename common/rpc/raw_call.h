// One request and one response as bytes: for the standard services (health, reflection) whose
// generated code Debian does not ship.
#pragma once

#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/rpc/channel.h"

namespace conclave {

// `method`: "/package.Service/Method". A streaming method answers its first message. Thread-safe.
absl::StatusOr<std::string> CallRaw(const std::shared_ptr<grpc::Channel>& channel,
                                    const char* method, const std::string& request,
                                    SteadyTime deadline);

}  // namespace conclave
