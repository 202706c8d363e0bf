// Random weights in memory, in the types of an FP8 checkpoint: what benchmarks load where there is
// no checkpoint. Not a model: it answers for any name with the shape that is asked for.
#pragma once

#include <string>
#include <vector>

#include "common/model/checkpoint.h"

namespace conclave {

// Projections are e4m3 with Gaussian codes that use the whole range; embeddings, head and routers
// bf16; norms one, router biases zero. Tensors are windows into two pools, so that a model of any
// size takes the memory of its largest tensor. Equal names give equal bytes.
class RandomCheckpoint : public Checkpoint {
 public:
  // `largest`: elements of the largest tensor that will be asked for.
  explicit RandomCheckpoint(int64_t largest);

  bool Has(const std::string& name) const override;
  absl::StatusOr<TensorView> Get(const std::string& name,
                                 const std::vector<int64_t>& shape) const override;

 private:
  std::vector<uint8_t> codes_;  // e4m3
  std::vector<uint16_t> bf16_;
  std::vector<float> scales_;
  std::vector<float> ones_;
  std::vector<float> zeros_;
};

}  // namespace conclave
