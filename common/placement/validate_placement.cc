#include <cmath>
#include <set>

#include "common/placement/placement.h"

namespace conclave {
namespace {

absl::Status ValidateExpert(const std::vector<ExpertReplica>& replicas, int layer, int expert) {
  if (replicas.empty()) return InvalidArgument("layer {} expert {} has no replica", layer, expert);
  std::set<std::string> hosts;
  double sum = 0;
  for (const ExpertReplica& replica : replicas) {
    if (replica.host.empty())
      return InvalidArgument("layer {} expert {}: a replica names no host", layer, expert);
    if (!hosts.insert(replica.host).second) {
      return InvalidArgument("layer {} expert {} is twice on host {}", layer, expert, replica.host);
    }
    if (!(replica.share >= 0 && replica.share <= 1)) {
      return InvalidArgument("layer {} expert {} host {}: share {} is not within 0..1", layer,
                             expert, replica.host, replica.share);
    }
    sum += replica.share;
  }
  if (std::abs(sum - 1) > 1e-3) {
    return InvalidArgument("layer {} expert {}: the shares of its {} replicas sum to {}, not 1",
                           layer, expert, replicas.size(), sum);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidatePlacement(const PlacementMap& map, const PlacementShape& shape) {
  if (static_cast<int>(map.layers.size()) != shape.layers) {
    return InvalidArgument("the placement map has {} layers, the model {}", map.layers.size(),
                           shape.layers);
  }
  for (int layer = 0; layer < shape.layers; ++layer) {
    const size_t experts = layer < shape.first_moe_layer ? 0 : static_cast<size_t>(shape.experts);
    if (map.layers[layer].size() != experts) {
      return InvalidArgument("layer {} of the placement map has {} experts, the model {}", layer,
                             map.layers[layer].size(), experts);
    }
    for (size_t e = 0; e < experts; ++e) {
      RETURN_IF_ERROR(ValidateExpert(map.layers[layer][e], layer, static_cast<int>(e)));
    }
  }
  return absl::OkStatus();
}

}  // namespace conclave
