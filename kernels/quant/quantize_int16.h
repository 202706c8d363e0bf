// Activations as int16 for the integer GEMM of e4m3 weights: per row and block of 128 channels,
// code = round(x * f), ties to even, f = min(kInt16Sum / sum |x|, kInt16Largest / max |x|),
// scale = 1 / f. The sum of a block's products with any weights fits an int32 (kInt16Sum), and a
// code is off by at most half a step: 1/298000 of sum |x|, 1/65400 of the largest value where one
// dominates. bf16, which the values come from, is off by up to 1/512 of each.
//
// sum |x|: 16 interleaved chains, then pairwise. Every instruction set gives the same bits.
#pragma once

#include <cstdint>

#include "kernels/base/cpu_features.h"

namespace conclave::kernels {

// (kInt16Sum + 128 halves of rounding) * kFp8Int16Largest < 2^31.
inline constexpr float kInt16Sum = 149000.0f;
inline constexpr float kInt16Largest = 32700.0f;
// Blocks of smaller sums become 0: f would overflow.
inline constexpr float kInt16Smallest = 1e-30f;

struct QuantizeInt16Params {
  int64_t rows = 0;
  int64_t cols = 0;
  const float* x = nullptr;  // [rows, x_stride]
  int64_t x_stride = 0;      // values
  int16_t* words = nullptr;  // [rows, ceil(cols / 128) * 128], zero beyond cols
  float* scales = nullptr;   // [rows, ceil(cols / 128)]
};
void QuantizeInt16(const QuantizeInt16Params& params, Isa isa);

// The oracle.
void QuantizeInt16Ref(const QuantizeInt16Params& params);

void QuantizeInt16Portable(const QuantizeInt16Params& params);
void QuantizeInt16Avx2(const QuantizeInt16Params& params);
void QuantizeInt16Avx512(const QuantizeInt16Params& params);

}  // namespace conclave::kernels
