// Activations as int8 for the int8 GEMM: per row and block of 128 channels, scale = amax / 127,
// code = round(x * (127 / amax)), ties to even. Every instruction set gives the same bits.
#pragma once

#include <cstdint>

#include "kernels/base/cpu_features.h"

namespace conclave::kernels {

// Blocks of smaller values become 0: 127 / amax would overflow.
inline constexpr float kInt8Smallest = 1e-30f;

struct QuantizeInt8Params {
  int64_t rows = 0;
  int64_t cols = 0;
  const float* x = nullptr;    // [rows, x_stride]
  int64_t x_stride = 0;        // values
  int8_t* codes = nullptr;     // [rows, ceil(cols / 128) * 128], zero beyond cols
  float* scales = nullptr;     // [rows, ceil(cols / 128)]
  int32_t* offsets = nullptr;  // [rows, ceil(cols / 128)]: -128 * sum of the codes
};
void QuantizeInt8(const QuantizeInt8Params& params, Isa isa);

// The oracle.
void QuantizeInt8Ref(const QuantizeInt8Params& params);

void QuantizeInt8Portable(const QuantizeInt8Params& params);
void QuantizeInt8Avx2(const QuantizeInt8Params& params);
void QuantizeInt8Avx512(const QuantizeInt8Params& params);

}  // namespace conclave::kernels
