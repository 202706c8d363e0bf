// Whether the cluster can serve, and what is missing. Pure.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/cluster/members.h"
#include "common/model/model_config.h"
#include "common/placement/placement.h"

namespace conclave {

struct ServingView {
  std::vector<MemberInfo> routers, prefill, decode, expert_hosts;
  std::shared_ptr<const PlacementMap> placement;
};

// What is missing, one sentence each; empty = ready. Asks for a decode and a prefill worker and,
// unless `local_experts` or the model has no routed experts, for a placement map that gives every
// routed expert of every main layer a replica on a member that is there.
std::vector<std::string> MissingForService(const ServingView& view, const ModelConfig& model,
                                           bool local_experts);

}  // namespace conclave
