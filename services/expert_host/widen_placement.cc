#include "services/expert_host/widen_placement.h"

#include <algorithm>
#include <map>

namespace conclave {
namespace {

bool SameHost(const ExpertReplica& a, const ExpertReplica& b) {
  return a.host == b.host && a.incarnation == b.incarnation;
}

bool Names(const std::vector<ExpertReplica>& replicas, const ExpertReplica& host) {
  return std::any_of(replicas.begin(), replicas.end(),
                     [&](const ExpertReplica& r) { return SameHost(r, host); });
}

}  // namespace

std::optional<PlacementMap> WidenPlacement(const PlacementMap& current, const PlacementMap& target,
                                           const std::vector<PlacementHost>& live) {
  PlacementMap wide = target;
  wide.epoch = current.epoch + 1;
  bool needed = false;
  for (size_t layer = 0; layer < wide.layers.size() && layer < current.layers.size(); ++layer) {
    for (size_t expert = 0;
         expert < wide.layers[layer].size() && expert < current.layers[layer].size(); ++expert) {
      std::vector<ExpertReplica> have;
      for (const ExpertReplica& replica : current.layers[layer][expert]) {
        if (std::find(live.begin(), live.end(), PlacementHost{replica.host, replica.incarnation}) !=
            live.end()) {
          have.push_back(replica);
        }
      }
      if (have.empty()) continue;  // nobody has it: the new hosts are all there is
      std::vector<ExpertReplica>& replicas = wide.layers[layer][expert];
      if (std::none_of(have.begin(), have.end(),
                       [&](const ExpertReplica& r) { return Names(replicas, r); })) {
        needed = true;
      }
      for (ExpertReplica& replica : have) replica.share = 1.0f / static_cast<float>(have.size());
      for (ExpertReplica added : replicas) {
        added.share = 0;
        if (!Names(have, added)) have.push_back(added);
      }
      replicas = std::move(have);
    }
  }
  if (!needed) return std::nullopt;
  return wide;
}

std::vector<PlacementHost> HostsOf(const PlacementMap& map) {
  std::map<std::pair<std::string, Incarnation>, bool> seen;
  for (const auto& layer : map.layers) {
    for (const auto& expert : layer) {
      for (const ExpertReplica& replica : expert) seen[{replica.host, replica.incarnation}] = true;
    }
  }
  std::vector<PlacementHost> hosts;
  for (const auto& [key, unused] : seen) hosts.push_back({key.first, key.second});
  return hosts;
}

}  // namespace conclave
