// Few rows: weights are decoded in registers on their way into the multiply, as many tiles at once
// as accumulators allow.
#pragma once

#include "kernels/gemm/gemm_blocks.h"

namespace conclave::kernels {

template <class V, WeightType kType>
struct GemmFewRows : GemmBlocks<V, kType> {
  using Blocks = GemmBlocks<V, kType>;
  using Blocks::kGroup;

  // acc += x W for one group, of which `last` input channels exist, at the end of a row.
  template <int R, int T>
  static void AddLast(const uint8_t* group, const float* const* x, int k, int last,
                      V (&acc)[R][T]) {
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
      V w[kGroup];
      Blocks::Decode(group + t * 64, w);
#pragma GCC unroll 4
      for (int j = 0; j + 1 < kGroup; ++j) {
        if (j == last) break;
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) acc[r][t] = V::FmaAll(x[r] + k + j, w[j], acc[r][t]);
      }
    }
  }

  // Adds what the irregular codes of a group lack, tile by tile: rarely more than one has any.
  template <int R, int T>
  static void AddCorrections(const uint8_t* group, const float* const* x, int k, int last,
                             V (&acc)[R][T]) {
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
      if (!V::AnyIrregularFp8(group + t * 64)) continue;
      V w[kGroup];
      Blocks::Decode(group + t * 64, w);
#pragma GCC unroll 4
      for (int j = 0; j < kGroup; ++j) {
        if (j == last) break;
        const V lacks = V::CorrectFp8(w[j]);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) acc[r][t] = V::FmaAll(x[r] + k + j, lacks, acc[r][t]);
      }
    }
  }

  // Rows [row, row + R), tiles [tile, tile + T) of a panel.
  template <int R, int T>
  static void Run(const GemmParams& p, int row, int panel, int tile) {
    const PackedMatrix& m = p.w;
    const auto [data, stride] = Blocks::At(m, panel, tile);
    const float* x[R];
    for (int r = 0; r < R; ++r) x[r] = p.x + p.XRow(row + r) * p.x_stride;
    V total[R][T];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) total[r][t] = V::Zero();
    const int whole = m.k / kGroup;
    for (int block = 0; block < m.k_blocks(); ++block) {
      const auto span = Blocks::BlockSpan(m, panel, block);
      V acc[R][T];
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) acc[r][t] = V::Zero();
      const int end = span.end < whole ? span.end : whole;
      const uint8_t* group = data + span.begin * stride;
      const float* xk[R];
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) xk[r] = x[r] + span.begin * kGroup;
      for (int g = span.begin; g < end; ++g, group += stride) {
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) PrefetchWeights(group + t * 64);
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) {
          V w[kGroup];
          Blocks::Decode(group + t * 64, w);
#pragma GCC unroll 4
          for (int j = 0; j < kGroup; ++j)
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r) acc[r][t] = V::FmaAll(xk[r] + j, w[j], acc[r][t]);
        }
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) xk[r] += kGroup;
      }
      if (end < span.end)  // less than a group left, at the end of the row only
        AddLast<R, T>(data + end * stride, x, end * kGroup, m.k - end * kGroup, acc);
      if constexpr (Blocks::kFp8) {
        for (uint32_t flags = span.irregular; flags != 0; flags &= flags - 1) {
          const int g = span.begin + __builtin_ctz(flags), k = g * kGroup;
          AddCorrections<R, T>(data + g * stride, x, k, m.k - k, acc);
        }
      }
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) {
        const V scale = Blocks::Scale(m, panel * kPanelTiles + tile + t, block);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r)
          total[r][t] = V::Fma(Blocks::RowScale(p, row + r, block, scale), acc[r][t], total[r][t]);
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) Store(p, row + r, panel * kPanelTiles + tile + t, total[r][t]);
  }

  static void Store(const GemmParams& p, int row, int tile, V value) {
    const int n = tile * kTile;
    float* out = p.Out(row, n);
    if (n + kTile <= p.w.n) return value.Store(out);
    float tail[kTile];
    value.Store(tail);
    for (int i = 0; n + i < p.w.n; ++i) out[i] = tail[i];
  }

  // Tiles [tile, tile_end) of a panel, T at a time while they last.
  template <int R>
  static void Tiles(const GemmParams& p, int row, int panel, int tile, int tile_end) {
    constexpr int T = V::kAccumulators / R >= 4 ? 4 : V::kAccumulators / R >= 2 ? 2 : 1;
    for (; tile + T <= tile_end; tile += T) Run<R, T>(p, row, panel, tile);
    if constexpr (T > 1) {
      for (; tile < tile_end; ++tile) Run<R, 1>(p, row, panel, tile);
    }
  }

  // At most R rows.
  template <int R>
  static void UpTo(const GemmParams& p, int row, int rows, int panel, int tile, int tile_end) {
    if (rows == R) return Tiles<R>(p, row, panel, tile, tile_end);
    if constexpr (R > 1) UpTo<R - 1>(p, row, rows, panel, tile, tile_end);
  }

  // In nearly equal pieces of at most 8 rows.
  static void Rows(const GemmParams& p, int row, int rows, int panel, int tile, int tile_end) {
    for (int pieces = (rows + 7) / 8; pieces > 0; --pieces) {
      const int count = rows / pieces;
      UpTo<8>(p, row, count, panel, tile, tile_end);
      row += count;
      rows -= count;
    }
  }
};

}  // namespace conclave::kernels
