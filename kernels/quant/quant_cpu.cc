#include <algorithm>
#include <cmath>

#include "kernels/base/dtypes.h"
#include "kernels/quant/quant.h"

namespace conclave::kernels {

void QuantizeBlocks(const float* weights, int64_t rows, int64_t cols, uint8_t* codes,
                    float* scales) {
  const int64_t scale_cols = (cols + kQuantBlock - 1) / kQuantBlock;
  for (int64_t r0 = 0; r0 < rows; r0 += kQuantBlock) {
    for (int64_t c0 = 0; c0 < cols; c0 += kQuantBlock) {
      const int64_t r1 = std::min(rows, r0 + kQuantBlock), c1 = std::min(cols, c0 + kQuantBlock);
      float amax = 1e-12f;
      for (int64_t r = r0; r < r1; ++r)
        for (int64_t c = c0; c < c1; ++c) amax = std::max(amax, std::abs(weights[r * cols + c]));
      const float scale = amax / 448.0f;
      scales[r0 / kQuantBlock * scale_cols + c0 / kQuantBlock] = scale;
      for (int64_t r = r0; r < r1; ++r)
        for (int64_t c = c0; c < c1; ++c)
          codes[r * cols + c] = EncodeE4m3(weights[r * cols + c] / scale);
    }
  }
}

void DequantizeBlocks(const uint8_t* codes, const float* scales, int64_t rows, int64_t cols,
                      float* weights) {
  const int64_t scale_cols = (cols + kQuantBlock - 1) / kQuantBlock;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < cols; ++c)
      weights[r * cols + c] =
          DecodeE4m3(codes[r * cols + c]) * scales[r / kQuantBlock * scale_cols + c / kQuantBlock];
}

void QuantizeRows(const float* x, int64_t rows, int64_t cols, ScaleRounding rounding,
                  uint8_t* codes, float* scales) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c0 = 0; c0 < cols; c0 += kQuantBlock) {
      const int64_t c1 = std::min(cols, c0 + kQuantBlock);
      float amax = 1e-4f;
      for (int64_t c = c0; c < c1; ++c) amax = std::max(amax, std::abs(x[r * cols + c]));
      float scale = amax / 448.0f;
      if (rounding == ScaleRounding::kPowerOfTwo) {
        int exponent;
        const float mantissa = std::frexp(scale, &exponent);  // in [0.5, 1)
        scale = std::ldexp(1.0f, mantissa == 0.5f ? exponent - 1 : exponent);
      }
      *scales++ = scale;
      for (int64_t c = c0; c < c1; ++c) codes[r * cols + c] = EncodeE4m3(x[r * cols + c] / scale);
    }
  }
}

}  // namespace conclave::kernels
