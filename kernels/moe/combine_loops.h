// The loops of Combine, for the compiler to turn into vectors of each file's instruction set.
#pragma once

#include "kernels/moe/combine.h"

namespace conclave::kernels {

static inline void CombineRow(const CombineParams& p, int64_t row) {
  constexpr int64_t kPiece = 256;  // sums that stay in the cache over all experts
  const float* weight = p.weight + row * p.k;
  const float* answers = p.answers + row * p.k * p.width;
  float* x = p.x + row * p.width;
  for (int64_t begin = 0; begin < p.width; begin += kPiece) {
    const int64_t count = p.width - begin < kPiece ? p.width - begin : kPiece;
    float sum[kPiece];
    for (int64_t d = 0; d < count; ++d) sum[d] = 0;
    for (int i = 0; i < p.k; ++i) {
      const float* answer = answers + i * p.width + begin;
      for (int64_t d = 0; d < count; ++d) sum[d] += weight[i] * answer[d];
    }
    if (p.shared != nullptr) {
      const float* shared = p.shared + row * p.width + begin;
      for (int64_t d = 0; d < count; ++d) sum[d] += shared[d];
    }
    for (int64_t d = 0; d < count; ++d) x[begin + d] += sum[d];
  }
}

static inline void CombineRows(const CombineParams& p) {
  for (int64_t row = 0; row < p.rows; ++row) CombineRow(p, row);
}

}  // namespace conclave::kernels
