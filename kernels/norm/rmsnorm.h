// out = x / sqrt(mean(x^2) + eps) * weight, per row.
#pragma once

#include <cstdint>

namespace conclave::kernels {

struct RmsNormParams {
  int rows = 0;
  int width = 0;
  float eps = 1e-6f;
  const float* x = nullptr;       // [rows, x_stride]
  int64_t x_stride = 0;           // values
  const float* weight = nullptr;  // [width]; null: 1
  float* out = nullptr;           // [rows, out_stride]; may be x
  int64_t out_stride = 0;         // values
};

// Squares are summed in 16 interleaved chains, then added pairwise: one order for every instruction
// set.
void RmsNorm(const RmsNormParams& params);

// The oracle in float64.
void RmsNormRef(const RmsNormParams& params);

void RmsNormPortable(const RmsNormParams& params);
void RmsNormAvx2(const RmsNormParams& params);
void RmsNormAvx512(const RmsNormParams& params);

}  // namespace conclave::kernels
