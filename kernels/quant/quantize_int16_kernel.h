// One row block at a time in loops that the compiler turns into vectors of the file's instruction
// set; every operation is exact or rounded once, so all give the same bits.
#pragma once

#include <bit>
#include <cstring>

#include "kernels/quant/quant.h"
#include "kernels/quant/quantize_int16.h"

namespace conclave::kernels {

// Adding it rounds to an integer, which the low 16 bits then are: 1.5 * 2^23.
inline constexpr float kInt16Magic = 12582912.0f;

// What a block is multiplied with, and its scale.
static inline float Int16Factor(float sum, float largest, float* scale) {
  *scale = 0;
  if (sum <= kInt16Smallest) return 0;
  // What is no number goes on: it must show in the result.
  const float by_sum = kInt16Sum / sum, by_largest = kInt16Largest / largest;
  const float factor = by_largest < by_sum ? by_largest : by_sum;
  *scale = 1.0f / factor;
  return factor;
}

static inline void QuantizeInt16Block(const float* x, int16_t* words, float* scale) {
  constexpr int kLanes = 16;
  float sum[kLanes] = {};
  uint32_t largest[kLanes] = {};  // of the magnitudes' bits, which order like the magnitudes
  for (int i = 0; i < kQuantBlock; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const uint32_t bits = std::bit_cast<uint32_t>(x[i + lane]) & 0x7fffffffu;
      sum[lane] += std::bit_cast<float>(bits);
      largest[lane] = largest[lane] > bits ? largest[lane] : bits;
    }
  }
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int lane = 0; lane < width; ++lane) {
      sum[lane] += sum[lane + width];
      if (largest[lane + width] > largest[lane]) largest[lane] = largest[lane + width];
    }
  }
  const float factor = Int16Factor(sum[0], std::bit_cast<float>(largest[0]), scale);
  for (int i = 0; i < kQuantBlock; ++i)
    words[i] = static_cast<int16_t>(std::bit_cast<uint32_t>(x[i] * factor + kInt16Magic));
}

template <class Block>
static inline void QuantizeInt16Rows(const QuantizeInt16Params& p, Block quantize) {
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
      quantize(x, p.words + at * kQuantBlock, p.scales + at);
    }
  }
}

}  // namespace conclave::kernels
