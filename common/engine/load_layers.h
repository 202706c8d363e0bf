// The tensors of one layer, by family. Inside the engine only.
#pragma once

#include "common/engine/weight_loader.h"
#include "common/engine/weights.h"

namespace conclave {

// deepseek_v2 and deepseek_v3, MTP layers included (as decoder layers).
absl::StatusOr<LayerWeights> LoadDeepseekLayer(const WeightLoader& loader, const ModelConfig& c,
                                               int layer);
// What an MTP layer has beside its decoder layer. Call it before anything gave its pages back: it
// compares tensors.
absl::StatusOr<MtpWeights> LoadMtp(const WeightLoader& loader, const ModelConfig& c);

// llama and qwen2.
absl::StatusOr<LayerWeights> LoadLlamaLayer(const WeightLoader& loader, const ModelConfig& c,
                                            int layer);

}  // namespace conclave
