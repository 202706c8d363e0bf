// One row block at a time in loops that the compiler turns into vectors of the file's instruction
// set; every operation is exact or rounded once, so all give the same bits.
#pragma once

#include <bit>
#include <cstring>

#include "kernels/quant/quant.h"
#include "kernels/quant/quantize_int8.h"

namespace conclave::kernels {

static inline void QuantizeInt8Block(const float* x, int8_t* codes, float* scale, int32_t* offset) {
  uint32_t largest = 0;  // of the magnitudes' bits, which order like the magnitudes
  for (int i = 0; i < kQuantBlock; ++i) {
    const uint32_t bits = std::bit_cast<uint32_t>(x[i]) & 0x7fffffffu;
    largest = largest > bits ? largest : bits;
  }
  const float amax = std::bit_cast<float>(largest);
  *scale = amax / 127.0f;
  const float inverse = amax > kInt8Smallest ? 127.0f / amax : 0.0f;
  constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  int32_t sum = 0;
  for (int i = 0; i < kQuantBlock; ++i) {
    const int32_t code =
        static_cast<int32_t>(std::bit_cast<uint32_t>(x[i] * inverse + kMagic) - 0x4b400000u);
    codes[i] = static_cast<int8_t>(code);
    sum += code;
  }
  *offset = -128 * sum;
}

static inline void QuantizeInt8Rows(const QuantizeInt8Params& p) {
  const int64_t blocks = (p.cols + kQuantBlock - 1) / kQuantBlock;
  for (int64_t row = 0; row < p.rows; ++row) {
    for (int64_t block = 0; block < blocks; ++block) {
      const int64_t begin = block * kQuantBlock, at = row * blocks + block;
      const float* x = p.x + row * p.x_stride + begin;
      float padded[kQuantBlock];
      if (p.cols - begin < kQuantBlock) {
        std::memset(padded, 0, sizeof(padded));
        std::memcpy(padded, x, sizeof(float) * (p.cols - begin));
        x = padded;
      }
      QuantizeInt8Block(x, p.codes + at * kQuantBlock, p.scales + at, p.offsets + at);
    }
  }
}

}  // namespace conclave::kernels
