// Reads tensors of a checkpoint into packed form. Errors name the tensor, what it is and what was
// expected.
#pragma once

#include <string>
#include <vector>

#include "common/engine/compute_mode.h"
#include "common/engine/weights.h"
#include "common/model/checkpoint.h"
#include "common/model/model_config.h"

namespace conclave {

// Thread-safe; both references must outlive it. Source pages are given back to the system once
// packed, so that a weight is in memory once.
class WeightLoader {
 public:
  WeightLoader(const Checkpoint& checkpoint, const ModelConfig& config, ComputeMode mode)
      : checkpoint_(checkpoint), config_(config), mode_(mode) {}

  // `<name>.weight` [n, k], with `<name>.weight_scale_inv` when it is e4m3; in the form that the
  // compute mode multiplies with. kExact: as stored in every mode (the router). kSixteenBits: in
  // mode int8 as in mode bf16, in w8a8 as stored when it is e4m3 (kv_b, which acts on the cache).
  enum class Precision { kMode, kExact, kSixteenBits };
  absl::StatusOr<Linear> LoadLinear(const std::string& name, int64_t n, int64_t k,
                                    Precision precision = Precision::kMode) const;
  // The W_uk and W_uv of each head out of kv_b_proj [heads * (nope + v), kv_lora].
  absl::Status LoadKvB(const std::string& name, AttentionWeights* attention) const;
  // Any dtype, as float32.
  absl::StatusOr<std::vector<float>> LoadVector(const std::string& name, int64_t n) const;
  absl::StatusOr<FfnWeights> LoadFfn(const std::string& prefix, int64_t hidden,
                                     int64_t inner) const;
  absl::StatusOr<Embedding> LoadEmbedding(const std::string& name) const;
  // True when both tensors exist with the same dtype, shape and bytes.
  bool SameTensor(const std::string& a, const std::string& b) const;
  bool Has(const std::string& name) const { return checkpoint_.Has(name); }

 private:
  struct Source;
  absl::StatusOr<Source> OpenWeight(const std::string& name, int64_t n, int64_t k) const;
  absl::StatusOr<Linear> PackPart(const Source& source, int64_t row_begin, int64_t row_count,
                                  bool transposed, Precision precision) const;

  const Checkpoint& checkpoint_;
  const ModelConfig& config_;
  const ComputeMode mode_;
};

// Gives the pages of a tensor's file mapping back; they are read again if needed.
void ReleasePages(const TensorView& view);

}  // namespace conclave
