// The rotary part of a token in KvType::kInt16: int16 codes with one scale for the token, which
// lies in the codes themselves, as a number E of 8 bits.
//
//   value  = code * scale, of the whole code
//   scale  2^(E - 127), from E = 128 on 1.5 * 2^(E - 127); 0 for E = 0, NaN for E = 255. E is the
//          smallest from 1 on for which the norm of value / scale is at most kInt16QueryNorm; 0
//          when all values are 0, and then so are the codes; 255 when a value is not finite, and
//          then no score of the token is a number
//   code   value / scale to the nearest integer, ties to even; code i of the first four to the
//          nearest one whose two low bits are bits 2 * i and 2 * i + 1 of E
// A value is off by at most half a scale, each of the first four by at most two.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace conclave::kernels {

// The scale of any codes. The product brings the bits of four codes together in its upper byte, and
// behind it the highest one again: shifted, that is a float32, for E = 255 not a number (this is
// what the factor of 1.5 is for).
[[gnu::always_inline]] static inline float Int16RopeScale(const void* codes) {
  static_assert(std::endian::native == std::endian::little);
  constexpr uint64_t kGather = 1ull << 56 | 1ull << 42 | 1ull << 28 | 1ull << 14 | 1ull << 6;
  uint64_t four;
  std::memcpy(&four, codes, sizeof(four));
  const uint64_t product = (four & 0x0003000300030003u) * kGather;
  return std::bit_cast<float>(static_cast<uint32_t>(product >> 33) & 0x7fc00000u);
}

// values [count], count a multiple of 4, to codes of 2 bytes and back.
void EncodeInt16Rope(const float* values, int count, uint8_t* codes);
void DecodeInt16Rope(const uint8_t* codes, int count, float* values);

}  // namespace conclave::kernels
