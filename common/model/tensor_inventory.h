// Which tensors a checkpoint of a given configuration has. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/model/checkpoint.h"
#include "common/model/model_config.h"

namespace conclave {

// What a tensor is for.
enum class ModelPart {
  kEmbedding,
  kNorms,  // of layers and the last one
  kAttention,
  kDenseFfn,
  kRouter,
  kSharedExperts,
  kRoutedExperts,
  kMtpGlue,  // what an MTP layer has beside a decoder layer
  kHead
};
std::string_view ModelPartName(ModelPart part);  // "embedding", "routed experts", ...

enum class Presence {
  kRequired,
  kOptional,  // used or ignored when there
  kWithFp8    // the scales of the weight listed before it: there exactly when that is F8_E4M3
};

struct ExpectedTensor {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<TensorType> types;  // any of them
  ModelPart part = ModelPart::kAttention;
  int layer = -1;  // -1: of no layer; num_layers and more: of an MTP layer
  Presence presence = Presence::kRequired;
  // False for scales and for copies of other tensors (an MTP layer's embedding and head).
  bool parameters = true;

  int64_t Elements() const;
};

// In the order of the forward pass. Weights of a configuration with FP8 blocks may be F8_E4M3 and
// are then followed by `<name>_scale_inv`, one F32 per block; without, they are BF16 or F32. Norms
// and the router's bias may be BF16 or F32.
std::vector<ExpectedTensor> ListTensors(const ModelConfig& config);

// Names that old checkpoints have and nothing needs: tables of rotary frequencies.
bool IsIgnorableTensor(std::string_view name);

}  // namespace conclave
