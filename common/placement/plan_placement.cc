#include <algorithm>
#include <set>

#include "common/base/check.h"
#include "common/placement/layer_plan.h"
#include "common/placement/placement.h"

namespace conclave {
namespace {

absl::Status Check(const PlacementShape& shape, const std::vector<PlacementHost>& hosts,
                   int replicas) {
  if (hosts.empty()) {
    return FailedPrecondition("no expert host to place {} experts on: start at least one",
                              shape.experts);
  }
  if (replicas < 1)
    return InvalidArgument("{} replicas of every expert asked for, must be at least 1", replicas);
  if (shape.layers < 0 || shape.first_moe_layer < 0 ||
      (shape.experts < 1 && shape.first_moe_layer < shape.layers)) {
    return InvalidArgument("placement of {} experts in layers {}..{} makes no sense", shape.experts,
                           shape.first_moe_layer, shape.layers);
  }
  std::set<std::string> ids;
  for (const PlacementHost& host : hosts) {
    if (!ids.insert(host.id).second)
      return InvalidArgument("expert host {} is listed twice", host.id);
  }
  return absl::OkStatus();
}

// Host indices that held each expert before and live on. [experts][copies]
std::vector<std::vector<int>> Kept(const PlacementMap& previous, int layer, int experts,
                                   const std::vector<PlacementHost>& hosts) {
  std::vector<std::vector<int>> kept(experts);
  if (layer >= static_cast<int>(previous.layers.size())) return kept;
  const auto& old = previous.layers[layer];
  if (static_cast<int>(old.size()) != experts) return kept;  // of another model
  for (int e = 0; e < experts; ++e) {
    for (const ExpertReplica& replica : old[e]) {
      const auto it =
          std::find(hosts.begin(), hosts.end(), PlacementHost{replica.host, replica.incarnation});
      if (it == hosts.end()) continue;
      const int index = static_cast<int>(it - hosts.begin());
      if (std::find(kept[e].begin(), kept[e].end(), index) == kept[e].end())
        kept[e].push_back(index);
    }
  }
  return kept;
}

}  // namespace

absl::StatusOr<PlacementMap> PlanPlacement(const PlacementShape& shape,
                                           const std::vector<PlacementHost>& hosts, int replicas,
                                           const PlacementMap& previous) {
  RETURN_IF_ERROR(Check(shape, hosts, replicas));
  // By id, so that the order in which hosts were listed does not matter.
  std::vector<PlacementHost> sorted = hosts;
  std::sort(sorted.begin(), sorted.end(),
            [](const PlacementHost& a, const PlacementHost& b) { return a.id < b.id; });
  const int copies = std::min<int>(replicas, static_cast<int>(sorted.size()));
  PlacementMap map;
  map.epoch = previous.epoch + 1;
  map.layers.resize(shape.layers);
  std::vector<int> slots(sorted.size(), 0);  // over all layers so far
  for (int layer = shape.first_moe_layer; layer < shape.layers; ++layer) {
    LayerPlan plan(shape.experts, static_cast<int>(sorted.size()), copies,
                   Kept(previous, layer, shape.experts, sorted), slots);
    const std::vector<std::vector<int>> assigned = plan.Solve();
    map.layers[layer].resize(shape.experts);
    for (int e = 0; e < shape.experts; ++e) {
      for (int host : assigned[e]) {
        ++slots[host];
        map.layers[layer][e].push_back({sorted[host].id, sorted[host].incarnation, 1.0f / copies});
      }
    }
  }
  RETURN_IF_ERROR(ValidatePlacement(map, shape));
  return map;
}

}  // namespace conclave
