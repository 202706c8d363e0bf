// One block of 128 input channels through tile registers.
#pragma once

#include "kernels/gemm/packed_matrix.h"
#include "kernels/gemm/tile_unit.h"

namespace conclave::kernels {

// U: see tile_unit.h.
template <class U>
struct TileBlock {
  static constexpr int kTileRows = 16;  // of a register
  static constexpr int kTileBytes = 64;
  static constexpr int kGroups = kTileBytes / 4;  // of input channels in a register
  // Tiles 0..3 hold sums, one holds codes, two take turns with weights.
  static constexpr int kCodes = 4, kWeights = 5;

  // Weights of a block as the unit loads them.
  struct Weights {
    const uint8_t* data;
    int64_t group_bytes;
    int groups;
    const uint8_t* tail;  // what the last, incomplete step reads: [tiles][kGroups][64], with zeros
  };

  template <int T, int kTileIndex>
  static void DotTiles(const uint8_t* weights, int64_t tile_bytes, int64_t group_bytes) {
    if constexpr (kTileIndex < T) {
      constexpr int kFrom = kWeights + kTileIndex % 2;
      U::template Load<kFrom>(weights + kTileIndex * tile_bytes, group_bytes);
      U::template Dot<kTileIndex, kCodes, kFrom>();
      DotTiles<T, kTileIndex + 1>(weights, tile_bytes, group_bytes);
    }
  }
  template <int T, int kTileIndex>
  static void ZeroTiles() {
    if constexpr (kTileIndex < T) {
      U::template Zero<kTileIndex>();
      ZeroTiles<T, kTileIndex + 1>();
    }
  }
  template <int T, int kTileIndex>
  static void StoreTiles(int32_t* sums) {
    if constexpr (kTileIndex < T) {
      U::template Store<kTileIndex>(sums + kTileIndex * kTile, int64_t{T} * kTile * 4);
      StoreTiles<T, kTileIndex + 1>(sums);
    }
  }

  // sums [height][T * 16] of one block. `codes`: kKBlock of each row, zeros beyond the last.
  template <int T>
  static void Sums(const Weights& w, const int8_t* codes, int64_t code_stride, int32_t* sums) {
    ZeroTiles<T, 0>();
    int g = 0;
    for (; g + kGroups <= w.groups; g += kGroups) {
      U::template Load<kCodes>(codes + g * 4, code_stride);
      DotTiles<T, 0>(w.data + g * w.group_bytes, 64, w.group_bytes);
    }
    if (g < w.groups) {
      U::template Load<kCodes>(codes + g * 4, code_stride);
      DotTiles<T, 0>(w.tail, kGroups * 64, 64);
    }
    StoreTiles<T, 0>(sums);
  }

  static void Configure(int height) {
    TileConfig config;
    for (int tile = 0; tile < 7; ++tile) {
      config.row_bytes[tile] = kTileBytes;
      config.rows[tile] = static_cast<uint8_t>(tile < kWeights ? height : kGroups);
    }
    U::Configure(config);
  }
};

}  // namespace conclave::kernels
