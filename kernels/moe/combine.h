// The weighted sum of a token's experts, added to the residual stream. One order whoever computed
// the experts: from 0, experts ascending, the shared expert last, then the residual.
#pragma once

#include <cstdint>

namespace conclave::kernels {

struct CombineParams {
  int rows = 0;
  int k = 0;  // routed experts of a row
  int64_t width = 0;
  const float* weight = nullptr;   // [rows, k]
  const float* answers = nullptr;  // [rows, k, width]
  const float* shared = nullptr;   // [rows, width]; may be null
  float* x = nullptr;              // [rows, width], added to
};
void Combine(const CombineParams& params);
// x += y.
void AddTo(const float* y, int64_t count, float* x);

// The oracle: the same order, the same bits.
void CombineRef(const CombineParams& params);

void CombinePortable(const CombineParams& params);
void CombineAvx2(const CombineParams& params);
void CombineAvx512(const CombineParams& params);

}  // namespace conclave::kernels
