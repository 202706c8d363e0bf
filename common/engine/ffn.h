// Feed-forward networks over groups of rows: the dense MLP and the shared expert are one group,
// routed experts one group each.
#pragma once

#include <span>

#include "common/engine/compute_mode.h"
#include "common/engine/parallel.h"
#include "common/engine/scratch.h"

namespace conclave {

// Rows of one FFN. `x` are operands: already rounded in mode bf16.
struct FfnGroup {
  const FfnWeights* weights = nullptr;
  const float* x = nullptr;  // [rows, hidden]
  float* out = nullptr;      // [rows, hidden]
  int rows = 0;
};

// Not thread-safe; owns the inner activations.
class FfnRunner {
 public:
  void Run(std::span<const FfnGroup> groups, ComputeMode mode, kernels::Isa isa, ThreadPool& pool);

 private:
  Scratch<float> gate_;
  Scratch<float> up_;
};

}  // namespace conclave
