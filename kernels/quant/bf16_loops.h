// Conversions to and from bf16, for the compiler to turn into vectors of each file's instruction
// set.
#pragma once

#include "kernels/base/dtypes.h"
#include "kernels/quant/bf16.h"

namespace conclave::kernels {

static inline void RoundToBf16Loop(float* values, int64_t count) {
  for (int64_t i = 0; i < count; ++i) values[i] = RoundBf16(values[i]);
}
static inline void EncodeBf16Loop(const float* values, int64_t count, uint16_t* out) {
  for (int64_t i = 0; i < count; ++i) out[i] = EncodeBf16(values[i]);
}
static inline void DecodeBf16Loop(const uint16_t* values, int64_t count, float* out) {
  for (int64_t i = 0; i < count; ++i) out[i] = DecodeBf16(values[i]);
}

}  // namespace conclave::kernels
