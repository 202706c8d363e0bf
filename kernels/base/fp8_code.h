// How packed weights write e4m3. The byte [s eeee mmm] is rearranged to [s e0 mmm eee] (the lowest
// exponent bit beside the mantissa), because a float32 of it is then two unaligned bytes of the
// stream, a mask and a constant: one byte shuffle (vpmultishiftqb) and one logic operation turn 16
// codes into 16 float32. What comes out is the weight times 2^-8; scales are stored times 2^8.
//
// That rule has an implicit one in every mantissa, so the subnormal codes need care. m * 2^-9 with
// m = 4..7 is 2^-7 * (1 + (2m - 8) / 8), which the rule can say. m = 0..3 takes the four mantissas
// of exponent 0 that are then left over; such codes are "irregular", are rare (1 weight in 20,000
// of a Gaussian block) and every group of four input channels of a panel that holds one is flagged:
// a GEMM adds, after the block's chain by the rule, the corrections of the flagged groups.
#pragma once

#include <bit>
#include <cstdint>

#include "kernels/base/dtypes.h"

namespace conclave::kernels {

inline constexpr float kFp8Shift = 256.0f;
// What the rule makes of an irregular code is too large by this much.
inline constexpr float kFp8Excess = 0x1p-15f + 0x1p-18f;

// From e4m3 to the packed byte. `code` is not NaN.
static constexpr uint8_t ToPackedFp8(uint8_t code) {
  const uint8_t sign = code & 0x80, exponent = (code >> 3) & 15;
  uint8_t mantissa = code & 7;
  if (exponent == 0)
    mantissa = static_cast<uint8_t>(mantissa >= 4 ? 2 * mantissa - 8 : 2 * mantissa + 1);
  return static_cast<uint8_t>(sign | (exponent & 1) << 6 | mantissa << 3 | exponent >> 1);
}

static constexpr bool IsIrregularFp8(uint8_t packed) { return (packed & 0x4f) == 0x08; }

// What the fast rule makes of a byte: the weight times 2^-8 unless it is irregular.
static constexpr float RegularFp8(uint8_t packed) {
  const uint32_t sign = static_cast<uint32_t>(packed & 0x80) << 24;
  const uint32_t exponent = 112u + ((packed & 7u) << 1 | ((packed >> 6) & 1u));
  return std::bit_cast<float>(sign | exponent << 23 | ((packed >> 3) & 7u) << 20);
}

// The weight times 2^-8, for every byte.
static constexpr float PackedFp8Value(uint8_t packed) {
  if (!IsIrregularFp8(packed)) return RegularFp8(packed);
  // Minus zero becomes zero: in a sum that starts at 0 they are the same.
  const float magnitude = static_cast<float>((packed >> 4) & 3) * 0x1p-17f;
  return (packed & 0x80) && magnitude > 0 ? -magnitude : magnitude;
}

}  // namespace conclave::kernels
