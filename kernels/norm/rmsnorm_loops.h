// The loops of RMSNorm, for the compiler to turn into vectors of each file's instruction set. Every
// operation is rounded once and none is fused, so all of them give the same bits.
#pragma once

#include <cmath>

#include "kernels/base/dtypes.h"
#include "kernels/norm/rmsnorm.h"

namespace conclave::kernels {

static inline float SumOfSquares(const float* x, int width) {
  constexpr int kChains = 16;
  float chain[kChains] = {};
  int i = 0;
  for (; i + kChains <= width; i += kChains)
    for (int j = 0; j < kChains; ++j) chain[j] += x[i + j] * x[i + j];
  for (int j = 0; i + j < width; ++j) chain[j] += x[i + j] * x[i + j];
  for (int step = kChains / 2; step > 0; step /= 2)
    for (int j = 0; j < step; ++j) chain[j] += chain[j + step];
  return chain[0];
}

static inline void RmsNormRows(const RmsNormParams& p) {
  for (int row = 0; row < p.rows; ++row) {
    const float* x = p.x + row * p.x_stride;
    float* out = p.out + row * p.out_stride;
    const float scale =
        1.0f / std::sqrt(SumOfSquares(x, p.width) / static_cast<float>(p.width) + p.eps);
    if (p.weight == nullptr) {
      for (int i = 0; i < p.width; ++i) out[i] = x[i] * scale;
    } else {
      for (int i = 0; i < p.width; ++i) out[i] = x[i] * scale * p.weight[i];
    }
  }
}

}  // namespace conclave::kernels
