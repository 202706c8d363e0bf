// Asks a server for its standard health.
#pragma once

#include <memory>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/rpc/channel.h"

namespace conclave {

// True when the whole server (service name "") is SERVING. Unavailable, DeadlineExceeded.
absl::StatusOr<bool> CheckHealth(const std::shared_ptr<grpc::Channel>& channel,
                                 SteadyTime deadline);

}  // namespace conclave
