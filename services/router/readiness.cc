#include "services/router/readiness.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace conclave {
namespace {

// Experts of the main layers without a replica on a live host: their number, and the first as text.
std::pair<int, std::string> Uncovered(const PlacementMap& map, const ModelConfig& model,
                                      const std::vector<MemberInfo>& hosts) {
  std::map<std::string, Incarnation> live;
  for (const MemberInfo& host : hosts) live[host.id] = host.incarnation;
  int count = 0;
  std::string first;
  for (int layer = model.first_k_dense_replace; layer < model.num_layers; ++layer) {
    for (int expert = 0; expert < model.num_routed_experts; ++expert) {
      bool covered = false;
      if (layer < static_cast<int>(map.layers.size()) &&
          expert < static_cast<int>(map.layers[layer].size())) {
        const std::vector<ExpertReplica>& replicas = map.layers[layer][expert];
        covered = std::any_of(replicas.begin(), replicas.end(), [&](const ExpertReplica& replica) {
          const auto host = live.find(replica.host);
          return host != live.end() && host->second == replica.incarnation;
        });
      }
      if (covered) continue;
      if (count++ == 0) first = fmt::format("expert {} of layer {}", expert, layer);
    }
  }
  return {count, first};
}

}  // namespace

std::vector<std::string> MissingForService(const ServingView& view, const ModelConfig& model,
                                           bool local_experts) {
  std::vector<std::string> missing;
  if (view.decode.empty()) missing.push_back("no decode worker is registered");
  if (view.prefill.empty()) missing.push_back("no prefill worker is registered");
  if (local_experts || !model.HasExperts()) return missing;
  if (view.expert_hosts.empty()) {
    missing.push_back("no expert host is registered");
  } else if (view.placement == nullptr || view.placement->epoch == 0) {
    missing.push_back("no expert placement has been published");
  } else if (const auto [count, first] = Uncovered(*view.placement, model, view.expert_hosts);
             count > 0) {
    missing.push_back(fmt::format("{} experts have no live host in placement epoch {} (first: {})",
                                  count, view.placement->epoch, first));
  }
  return missing;
}

}  // namespace conclave
