#include "services/expert_host/convert.h"

#include <map>

namespace conclave {

void LoadsToProto(const std::vector<ExpertLoad>& loads, const ModelConfig& config,
                  v1::ExpertStatusResponse* response) {
  std::map<int, v1::LayerLoad*> layers;
  for (int layer = config.first_k_dense_replace; layer < config.TotalLayers(); ++layer) {
    v1::LayerLoad* added = response->add_layers();
    added->set_layer(static_cast<uint32_t>(layer));
    added->mutable_picks()->Resize(config.num_routed_experts, 0);
    layers[layer] = added;
  }
  for (const ExpertLoad& load : loads) {
    auto it = layers.find(load.layer);
    if (it != layers.end()) it->second->set_picks(load.expert, load.tokens);
  }
}

std::vector<uint64_t> LayerPicks(const std::vector<ExpertLoad>& loads, const ModelConfig& config) {
  std::vector<uint64_t> picks(static_cast<size_t>(config.TotalLayers()), 0);
  for (const ExpertLoad& load : loads) picks[static_cast<size_t>(load.layer)] += load.tokens;
  return picks;
}

}  // namespace conclave
