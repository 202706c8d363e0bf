// Number formats: bf16 and e4m3 (the FN variant: no infinities, NaN = 0x7F and 0xFF, largest 448).
// Everything here is static so that a file compiled for a wider instruction set never lends its
// copy to the rest of the program.
#pragma once

#include <bit>
#include <cstdint>

namespace conclave::kernels {

static constexpr float DecodeBf16(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

// Round to nearest, ties to even; NaN stays NaN.
static constexpr uint16_t EncodeBf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1)) >> 16);
}

static constexpr float RoundBf16(float value) { return DecodeBf16(EncodeBf16(value)); }

static constexpr float DecodeE4m3(uint8_t code) {
  const uint32_t sign = static_cast<uint32_t>(code & 0x80) << 24;
  const uint32_t exponent = (code >> 3) & 15, mantissa = code & 7;
  if ((code & 0x7f) == 0x7f) return std::bit_cast<float>(sign | 0x7fc00000u);
  if (exponent != 0)
    return std::bit_cast<float>(sign | ((exponent + 120) << 23) | (mantissa << 20));
  const float magnitude = static_cast<float>(mantissa) * 0x1p-9f;
  return sign ? -magnitude : magnitude;
}

// What becomes of values above 464, which is half a step above the largest number.
enum class E4m3Overflow { kSaturate, kNan };

// Round to nearest, ties to even. NaN stays NaN.
static constexpr uint8_t EncodeE4m3(float value, E4m3Overflow overflow = E4m3Overflow::kSaturate) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint8_t sign = static_cast<uint8_t>((bits >> 24) & 0x80);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return sign | 0x7f;
  const float x = std::bit_cast<float>(magnitude);
  if (x > 464.0f) return sign | (overflow == E4m3Overflow::kSaturate ? 0x7e : 0x7f);
  if (x < 0x1p-6f) {
    // Subnormal range: steps of 2^-9. Adding 2^14 leaves exactly that step in the mantissa.
    const float shifted = x + 0x1p14f;
    return sign | static_cast<uint8_t>(std::bit_cast<uint32_t>(shifted) -
                                       std::bit_cast<uint32_t>(0x1p14f));
  }
  const uint32_t rounded = magnitude + 0x7ffffu + ((magnitude >> 20) & 1);
  const uint32_t code = (rounded >> 20) - (120u << 3);
  return sign | static_cast<uint8_t>(code > 0x7e ? 0x7e : code);
}

}  // namespace conclave::kernels
