// Block-scaled e4m3: weights in blocks of 128 x 128, activations in groups of 128 channels per row.
// The last block of either dimension may be partial.
#pragma once

#include <cstdint>

#include "kernels/quant/bf16.h"

namespace conclave::kernels {

inline constexpr int kQuantBlock = 128;

// codes [rows, cols], scales [ceil(rows / 128), ceil(cols / 128)]: scale = max(amax, 1e-12) / 448,
// code = e4m3(w / scale).
void QuantizeBlocks(const float* weights, int64_t rows, int64_t cols, uint8_t* codes,
                    float* scales);

// weights [rows, cols] = value(code) * scale, in float32.
void DequantizeBlocks(const uint8_t* codes, const float* scales, int64_t rows, int64_t cols,
                      float* weights);

// codes [rows, cols], scales [rows, ceil(cols / 128)]: scale = max(amax, 1e-4) / 448, rounded up to
// a power of two when asked.
enum class ScaleRounding { kNone, kPowerOfTwo };
void QuantizeRows(const float* x, int64_t rows, int64_t cols, ScaleRounding rounding,
                  uint8_t* codes, float* scales);

}  // namespace conclave::kernels
