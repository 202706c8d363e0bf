// Feed-forward networks over groups of rows: the dense MLP and the shared expert are one group,
// routed experts one group each. All groups of a call run together, without a barrier per group.
#pragma once

#include <span>

#include "common/engine/compute_mode.h"
#include "common/engine/parallel.h"
#include "common/engine/quantized_activations.h"
#include "common/engine/scratch.h"

namespace conclave {

// Rows of one FFN: row r takes row x_rows[r] of the input and becomes row out_rows[r] of the
// output; null: row r.
struct FfnGroup {
  const FfnWeights* weights = nullptr;
  const uint32_t* x_rows = nullptr;
  const uint32_t* out_rows = nullptr;
  int rows = 0;
};

struct FfnInput {
  const float* x = nullptr;  // [x_count, hidden] operands: already rounded in mode bf16
  int64_t x_count = 0;
  float* out = nullptr;  // [*, hidden]
};

// Not thread-safe; owns the inner activations.
class FfnRunner {
 public:
  // All groups have the same hidden and inner size.
  void Run(const FfnInput& input, std::span<const FfnGroup> groups, ComputeMode mode,
           kernels::Isa isa, ThreadPool& pool);

 private:
  void RunAlike(const FfnInput& input, std::span<const FfnGroup> groups, ComputeMode mode,
                kernels::Isa isa, ThreadPool& pool);

  Scratch<float> gate_;
  Scratch<float> up_;
  QuantizedActivations quantized_x_;
  QuantizedActivations quantized_up_;  // where up is quantised in another way than gate
  QuantizedActivations quantized_inner_;
};

}  // namespace conclave
