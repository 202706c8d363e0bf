// How packed weights write e4m3 for sums in integers. A code's value is a whole number of units
// (2^-5 of its scale), of at most 15 bits: [shift:4][sign:1][mantissa:3] stands for
// ((8 + mantissa) << 10, negative with the sign) >> shift, so that a table of 16 bytes and a shift
// turn 32 codes into 32 int16. Exact for magnitudes from 2^-2 on, which is all that a block whose
// largest is 448 holds down to 1/1792 of it; smaller ones are rounded to the nearest unit, ties to
// even, 1/28672 of the largest at most.
//
// Of four input channels 0 and 1 lie in the low bytes of two words, 2 and 3 in the high ones.
#pragma once

#include <cstdint>

namespace conclave::kernels {

inline constexpr float kFp8Int16Unit = 0x1p-5f;
inline constexpr int kFp8Int16Largest = 14336;  // 448 in units

// Where in its four bytes input channel `index` of a group lies.
constexpr int Fp8Int16Byte(int index) { return index == 1 ? 2 : index == 2 ? 1 : index; }

// In units.
constexpr int Fp8Int16Value(uint8_t packed) {
  const int magnitude = (8 + (packed & 7)) << 10;
  return ((packed & 8) != 0 ? -magnitude : magnitude) >> (packed >> 4);
}

// From e4m3 to the packed byte. `code` is not NaN.
constexpr uint8_t ToPackedFp8Int16(uint8_t code) {
  const int exponent = (code >> 3) & 15, mantissa = code & 7, sign = (code & 0x80) >> 4;
  if (exponent >= 5) return static_cast<uint8_t>((15 - exponent) << 4 | sign | mantissa);
  // significand / 2^bits units, to the nearest: at most 8.
  const int significand = exponent > 0 ? 8 + mantissa : mantissa;
  const int bits = exponent > 0 ? 5 - exponent : 4;
  const int half = 1 << (bits - 1), rest = significand & (2 * half - 1);
  int units = significand >> bits;
  if (rest > half || (rest == half && units % 2 == 1)) ++units;
  if (units == 0) return 0xf0;
  int shift = 10;
  for (; units < 8; units *= 2) ++shift;
  return static_cast<uint8_t>(shift << 4 | sign | (units - 8));
}

}  // namespace conclave::kernels
