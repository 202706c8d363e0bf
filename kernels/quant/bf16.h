// Rows of bf16: round to nearest, ties to even; NaN stays NaN.
#pragma once

#include <cstdint>

namespace conclave::kernels {

// values[i] rounded to bf16, in place.
void RoundToBf16(float* values, int64_t count);
void EncodeBf16Row(const float* values, int64_t count, uint16_t* out);
void DecodeBf16Row(const uint16_t* values, int64_t count, float* out);

// One instruction set each.
struct Bf16Rows {
  void (*round)(float* values, int64_t count);
  void (*encode)(const float* values, int64_t count, uint16_t* out);
  void (*decode)(const uint16_t* values, int64_t count, float* out);
};
Bf16Rows Bf16RowsPortable();
Bf16Rows Bf16RowsAvx2();
Bf16Rows Bf16RowsAvx512();

}  // namespace conclave::kernels
