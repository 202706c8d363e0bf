// The GEMM over any 16-lane vector. Rows and tiles are blocked to reuse decoded weights and to hide
// the latency of the multiply-add; a block's size never changes the order inside one output.
#pragma once

#include "kernels/gemm/gemm.h"

namespace conclave::kernels {

template <class V, WeightType kType>
struct GemmKernel {
  static constexpr int kGroup = GroupSize(kType);

  static void Decode(const uint8_t* p, V* w) {
    if constexpr (kType == WeightType::kFp8) {
      V::DecodeFp8(p, w);
    } else if constexpr (kType == WeightType::kBf16) {
      V::DecodeBf16(p, w);
    } else {
      V::DecodeF32(p, w);
    }
  }

  template <int R, int T>
  static void Block(const GemmParams& p, int row, int tile) {
    const PackedMatrix& m = p.w;
    const int64_t tile_bytes = m.tile_bytes();
    const uint8_t* data = m.data + tile * tile_bytes;
    const float* x = p.x + row * p.x_stride;
    V total[R][T];
    for (int r = 0; r < R; ++r)
      for (int t = 0; t < T; ++t) total[r][t] = V::Zero();
    const int blocks = m.k_blocks();
    for (int block = 0, k = 0; block < blocks; ++block) {
      const int block_end = (block + 1) * kKBlock - m.k_phase;
      const int end = block_end < m.k ? block_end : m.k;
      V acc[R][T];
      for (int r = 0; r < R; ++r)
        for (int t = 0; t < T; ++t) acc[r][t] = V::Zero();
      for (; k + kGroup <= end; k += kGroup) {
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) {
          V w[kGroup];
          Decode(data + t * tile_bytes + static_cast<int64_t>(k / kGroup) * 64, w);
#pragma GCC unroll 4
          for (int j = 0; j < kGroup; ++j)
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r)
              acc[r][t] = V::Fma(V::Set1(x[r * p.x_stride + k + j]), w[j], acc[r][t]);
        }
      }
      if (k < end) {  // fewer than a group left, at the end of the row only
        for (int t = 0; t < T; ++t) {
          V w[kGroup];
          Decode(data + t * tile_bytes + static_cast<int64_t>(k / kGroup) * 64, w);
          for (int j = 0; k + j < end; ++j)
            for (int r = 0; r < R; ++r)
              acc[r][t] = V::Fma(V::Set1(x[r * p.x_stride + k + j]), w[j], acc[r][t]);
        }
        k = end;
      }
      for (int t = 0; t < T; ++t) {
        const V scale =
            V::Set1(kType == WeightType::kFp8 ? m.scales[(tile + t) * blocks + block] : 1.0f);
        for (int r = 0; r < R; ++r) total[r][t] = V::Fma(scale, acc[r][t], total[r][t]);
      }
    }
    for (int r = 0; r < R; ++r) {
      for (int t = 0; t < T; ++t) {
        const int n = (tile + t) * kTile;
        float* out = p.out + (row + r) * p.out_stride + n;
        if (n + kTile <= m.n) {
          total[r][t].Store(out);
        } else {
          float tail[kTile];
          total[r][t].Store(tail);
          for (int i = 0; n + i < m.n; ++i) out[i] = tail[i];
        }
      }
    }
  }

  template <int R>
  static void Rows(const GemmParams& p, int row, int tile_begin, int tile_end) {
    constexpr int kWide = V::kAccumulators / R >= 4 ? 4 : V::kAccumulators / R >= 2 ? 2 : 1;
    int tile = tile_begin;
    for (; tile + kWide <= tile_end; tile += kWide) Block<R, kWide>(p, row, tile);
    if constexpr (kWide > 1) {
      for (; tile < tile_end; ++tile) Block<R, 1>(p, row, tile);
    }
  }

  static void Run(const GemmParams& p, int tile_begin, int tile_end) {
    int row = 0;
    constexpr int kRows = V::kAccumulators;
    if (p.rows >= kRows) {
      // Tile by tile, so that a tile's weights stay in the cache over all rows.
      const int full = p.rows - p.rows % kRows;
      for (int tile = tile_begin; tile < tile_end; ++tile)
        for (int r = 0; r < full; r += kRows) Block<kRows, 1>(p, r, tile);
      row = full;
    }
    if constexpr (kRows > 4) {
      if (row + 4 <= p.rows) Rows<4>(p, row, tile_begin, tile_end), row += 4;
    }
    if (row + 2 <= p.rows) Rows<2>(p, row, tile_begin, tile_end), row += 2;
    if (row < p.rows) Rows<1>(p, row, tile_begin, tile_end);
  }
};

template <class V>
static void GemmTilesOn(const GemmParams& p, int tile_begin, int tile_end) {
  switch (p.w.type) {
    case WeightType::kFp8:
      return GemmKernel<V, WeightType::kFp8>::Run(p, tile_begin, tile_end);
    case WeightType::kBf16:
      return GemmKernel<V, WeightType::kBf16>::Run(p, tile_begin, tile_end);
    case WeightType::kF32:
      return GemmKernel<V, WeightType::kF32>::Run(p, tile_begin, tile_end);
  }
}

}  // namespace conclave::kernels
