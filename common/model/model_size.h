// How large a model is: parameters, bytes and what the roles of a cluster keep of it. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "common/model/checkpoint.h"
#include "common/model/model_config.h"
#include "common/model/tensor_inventory.h"

namespace conclave {

// Of the main model or of its MTP layers.
struct PartSize {
  int64_t parameters = 0;               // scales and copies not counted
  std::map<TensorType, int64_t> bytes;  // as stored, scales and copies too
  int64_t Bytes() const;
};

struct ModelSize {
  static constexpr int kParts = static_cast<int>(ModelPart::kHead) + 1;
  std::array<PartSize, kParts> main, mtp;  // by ModelPart
  int64_t copied_bytes = 0;                // of the MTP layers' embedding and head

  int64_t Parameters() const;     // main model
  int64_t MtpParameters() const;  // MTP layers, without the copies
  // Main model, per token: routed experts by the share that a token chooses.
  int64_t ActiveParameters(const ModelConfig& config) const;
  int64_t Bytes() const;           // everything stored
  int64_t RoutedBytes() const;     // routed experts, MTP layers included
  int64_t AttentionBytes() const;  // all the rest, copies once
};

// Sizes as stored: dtypes from `checkpoint`, which may lack tensors. Without a checkpoint each
// tensor has the first of its dtypes.
ModelSize MeasureModel(const std::vector<ExpectedTensor>& tensors, const ModelConfig& config,
                       const Checkpoint* checkpoint);

// KV of one token in all layers, MTP layers included.
struct KvSize {
  int64_t f32_bytes = 0;
  int64_t bf16_bytes = 0;
  int64_t fp8_bytes = 0;  // MLA only, else 0: latents in e4m3, a float32 scale per 128, bf16 rotary
};
KvSize KvBytesPerToken(const ModelConfig& config);

}  // namespace conclave
