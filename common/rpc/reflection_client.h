// Asks a server, by reflection, which services it offers.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/rpc/channel.h"

namespace conclave {

// Full names, as the server lists them. Unavailable, DeadlineExceeded; Unimplemented without
// reflection.
absl::StatusOr<std::vector<std::string>> ListServices(const std::shared_ptr<grpc::Channel>& channel,
                                                      SteadyTime deadline);

}  // namespace conclave
