// Weights in the one layout that every GEMM reads. W is [n, k] (out, in); tiles of 16 output
// channels:
//
//   data   [ceil(n / 16)][ceil(k / G)][16][G]    G = 4 e4m3, 2 bf16 or 1 float32: 4 bytes per
//   channel scales [ceil(n / 16)][k blocks]              e4m3 only
//
// so that one vector lane is one output channel, and a group is what a 4-byte multiply-accumulate
// instruction of its type takes. Channels and codes beyond n and k are zero.
#pragma once

#include <cstdint>

namespace conclave::kernels {

inline constexpr int kTile = 16;     // output channels of a tile
inline constexpr int kKBlock = 128;  // input channels of one partial sum, and of one e4m3 scale

enum class WeightType : uint8_t { kF32, kBf16, kFp8 };

// Values of one type in 4 bytes.
constexpr int GroupSize(WeightType type) {
  return type == WeightType::kFp8 ? 4 : type == WeightType::kBf16 ? 2 : 1;
}

// Does not own its memory. `data` is 64-byte aligned.
struct PackedMatrix {
  WeightType type = WeightType::kF32;
  int n = 0;  // output channels
  int k = 0;  // input channels
  int k_phase =
      0;  // e4m3: scale block of input channel i is (i + k_phase) / kKBlock; a multiple of 4
  const uint8_t* data = nullptr;
  const float* scales = nullptr;

  int tiles() const { return (n + kTile - 1) / kTile; }
  int groups() const { return (k + GroupSize(type) - 1) / GroupSize(type); }
  int k_blocks() const { return (k + k_phase + kKBlock - 1) / kKBlock; }
  int64_t tile_bytes() const { return static_cast<int64_t>(groups()) * 64; }
  int64_t data_bytes() const { return tiles() * tile_bytes(); }
  int64_t scale_count() const {
    return type == WeightType::kFp8 ? static_cast<int64_t>(tiles()) * k_blocks() : 0;
  }
};

// A row-major [rows, cols] matrix as it lies in a checkpoint; no pointer need be aligned.
struct WeightSource {
  WeightType type = WeightType::kF32;
  int64_t rows = 0;
  int64_t cols = 0;
  const uint8_t* data = nullptr;
  const uint8_t* scales =
      nullptr;  // float32 [ceil(rows / 128), ceil(cols / 128)], multipliers; e4m3 only
};

// How a part of `source` becomes a GEMM operand: rows [row_begin, row_begin + row_count) as W
// itself, or transposed (W = those rows' transpose: n = cols, k = row_count).
struct PackSpec {
  WeightSource source;
  int64_t row_begin = 0;
  int64_t row_count = 0;
  bool transposed = false;
};

// The shape and type of the packed matrix, without memory. e4m3 whose scale blocks do not fall on
// tile and group borders becomes float32.
PackedMatrix PlanPack(const PackSpec& spec);

// Writes data_bytes() and scale_count() of PlanPack(spec). False, with the position in the source,
// when an e4m3 code is NaN.
bool Pack(const PackSpec& spec, uint8_t* data, float* scales, int64_t* bad_row, int64_t* bad_col);

}  // namespace conclave::kernels
