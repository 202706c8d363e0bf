// Loops over rows of activations, spread over the threads when there are many rows.
#pragma once

#include <vector>

#include "common/engine/step.h"

namespace conclave {

// out = RMSNorm(x); `round`: as operands of the next multiply (RoundOperands). x and out are
// [rows, stride] and may be the same.
struct NormRowsParams {
  int64_t rows = 0;
  int width = 0;
  float eps = 0;
  const float* x = nullptr;
  const std::vector<float>& weight;  // [width]
  float* out = nullptr;
  int64_t stride = 0;  // values; 0: width
  bool round = false;
};
void NormRows(const StepContext& ctx, const NormRowsParams& params);

// Rounds operands of the next multiply in the modes that multiply bf16.
void RoundOperands(const StepContext& ctx, float* values, int64_t count);

// x += y.
void AddRows(const StepContext& ctx, const float* y, int64_t count, float* x);

// body(row) for all rows; `row_ns` is one row's time on one thread.
void ForRows(const StepContext& ctx, int64_t rows, double row_ns,
             const std::function<void(int64_t row)>& body);

}  // namespace conclave
