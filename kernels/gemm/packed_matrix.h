// Weights in the one layout that every GEMM reads. W is [n, k] (out, in). Panels of 64 output
// channels, each a stream of consecutive bytes:
//
//   data    [panels][k groups][tiles of the panel][16 channels][4 bytes]
//   scales  e4m3: [tiles][k blocks], times 256; for int16 sums divided by 32
//           int8, int16: [tiles][k blocks][16 channels]
//   irregular  e4m3: [panels][k blocks], see base/fp8_code.h
//
// Four bytes are one float32, two bf16, four e4m3 (as base/fp8_code.h or base/fp8_int16.h writes
// them), four int8 (plus 128) or two int16 of consecutive input channels: what a dot-product
// instruction takes per lane. A vector lane is an output channel, so there are no horizontal sums.
// Channels and codes beyond n and k are 0.
#pragma once

#include <cstdint>

#include "kernels/base/cpu_features.h"

namespace conclave::kernels {

inline constexpr int kTile = 16;       // output channels of a vector
inline constexpr int kPanelTiles = 4;  // tiles of a panel; the last panel may have fewer
inline constexpr int kKBlock = 128;    // input channels of one partial sum, and of one scale

// kFp8Int16: e4m3 that is summed in integers. kInt16: bf16 that is.
enum class WeightType : uint8_t { kF32, kBf16, kFp8, kInt8, kFp8Int16, kInt16 };

// How a GEMM rounds its activations, per row and block of 128 input channels, before it multiplies.
enum class ActivationQuant : uint8_t { kNone, kInt8, kFp8, kInt16 };

// Values of one type in 4 bytes.
constexpr int GroupSize(WeightType type) {
  if (type == WeightType::kF32) return 1;
  return type == WeightType::kBf16 || type == WeightType::kInt16 ? 2 : 4;
}

// Does not own its memory. `data` is 64-byte aligned.
struct PackedMatrix {
  WeightType type = WeightType::kF32;
  // kInt8 exactly when the type is kInt8, kInt16 exactly when it is kFp8Int16 or kInt16.
  ActivationQuant activations = ActivationQuant::kNone;
  Arithmetic arithmetic = Arithmetic::kFma;  // or kBf16Dot: bf16 and kFp8 only
  int n = 0;                                 // output channels
  int k = 0;                                 // input channels
  int k_phase = 0;  // e4m3: block of input channel i is (i + k_phase) / kKBlock; a multiple of 4
  const uint8_t* data = nullptr;
  const float* scales = nullptr;
  const uint32_t* irregular = nullptr;  // bit g: group g of the block holds an irregular code

  int tiles() const { return (n + kTile - 1) / kTile; }
  int panels() const { return (tiles() + kPanelTiles - 1) / kPanelTiles; }
  int panel_tiles(int panel) const {
    const int left = tiles() - panel * kPanelTiles;
    return left < kPanelTiles ? left : kPanelTiles;
  }
  int groups() const { return (k + GroupSize(type) - 1) / GroupSize(type); }
  int k_blocks() const { return (k + k_phase + kKBlock - 1) / kKBlock; }
  // Bytes before `panel`.
  int64_t panel_offset(int panel) const {
    return static_cast<int64_t>(panel) * kPanelTiles * groups() * 64;
  }
  int64_t data_bytes() const { return static_cast<int64_t>(tiles()) * groups() * 64; }
  int64_t scale_count() const {
    const int64_t blocks = static_cast<int64_t>(tiles()) * k_blocks();
    if (type == WeightType::kInt8 || type == WeightType::kInt16) return blocks * kTile;
    return type == WeightType::kFp8 || type == WeightType::kFp8Int16 ? blocks : 0;
  }
  int64_t irregular_count() const {
    return type == WeightType::kFp8 ? static_cast<int64_t>(panels()) * k_blocks() : 0;
  }
  // First of the 4 bytes that hold channel `out` at input group `group`.
  int64_t group_offset(int out, int group) const {
    const int panel = out / (kTile * kPanelTiles), tile = out / kTile % kPanelTiles;
    return panel_offset(panel) + (static_cast<int64_t>(group) * panel_tiles(panel) + tile) * 64 +
           out % kTile * 4;
  }
};

// Where Pack writes: memory of PlanPack's data_bytes, scale_count and irregular_count.
struct PackedMemory {
  uint8_t* data = nullptr;
  float* scales = nullptr;
  uint32_t* irregular = nullptr;
};

// A row-major [rows, cols] matrix as it lies in a checkpoint; no pointer need be aligned.
struct WeightSource {
  WeightType type = WeightType::kF32;  // float32, bf16 or e4m3
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
  // Requantise to int8: per output channel and block of 128 input channels, scale = amax / 127.
  // Not with `transposed`.
  bool to_int8 = false;
  // bf16 becomes kInt16: per output channel and block of 128 input channels, scale = amax / 14336;
  // not with `transposed`. e4m3 becomes kFp8Int16 where its scale blocks and its groups fall
  // together. The rest stays what it is.
  bool to_int16 = false;
};

// The shape and type of the packed matrix, without memory. e4m3 whose scale blocks do not fall on
// tile and group borders becomes float32.
PackedMatrix PlanPack(const PackSpec& spec);

// Fills `memory`. False, with the position in the source, when an e4m3 code is NaN, or when a value
// to be requantised is not finite.
bool Pack(const PackSpec& spec, const PackedMemory& memory, int64_t* bad_row, int64_t* bad_col);

// The stored value of output channel `out` at input channel `in`, scale included. For lookups and
// oracles, not for speed.
float PackedValue(const PackedMatrix& m, int out, int in);

}  // namespace conclave::kernels
