// The int8 GEMM over any vector of 16 int32 lanes. Weights are stored plus 128, so that they are
// the unsigned operand of u8 x s8 dot products; accumulators start at -128 * (sum of the row's
// codes), which takes the 128 out again at no cost. Sums of a block are exact, so their order is
// free: no instruction set, row count or blocking changes a bit.
#pragma once

#include "kernels/gemm/gemm.h"

namespace conclave::kernels {

// D: Acc (16 int32), Weights (16 channels x 4 input channels), Set1, Load, Dot, AddScaled.
template <class D>
struct GemmInt8Kernel {
  using Acc = typename D::Acc;
  static constexpr int kBlockGroups = kKBlock / 4;
  static constexpr int kRowsPerPass = 512;
  static constexpr int kRows = 6;  // of one register block

  // Block `block` of R rows and T tiles, added to totals[r][t * 16 ...].
  template <int R, int T, bool kPrefetch>
  static void Block(const GemmParams& p, int row, int panel, int tile, int block,
                    float* const* totals) {
    const PackedMatrix& m = p.w;
    const int64_t group_bytes = m.panel_tiles(panel) * 64, blocks = m.k_blocks();
    const int begin = block * kBlockGroups;
    const int end = begin + kBlockGroups < m.groups() ? begin + kBlockGroups : m.groups();
    const uint8_t* data = m.data + m.panel_offset(panel) + begin * group_bytes + tile * 64;
    const int8_t* x[R];
    int64_t at[R];  // of the row's scales
    Acc acc[R][T];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      at[r] = p.XRow(row + r) * blocks + block;
      x[r] = p.x_codes + at[r] * kKBlock;
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) acc[r][t] = D::Set1(p.x_offsets[at[r]]);
    }
    for (int g = 0; g < end - begin; ++g, data += group_bytes) {
      typename D::Weights w[T];
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) {
        if constexpr (kPrefetch) PrefetchWeights(data + t * 64);
        w[t] = D::Load(data + t * 64);
      }
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) acc[r][t] = D::Dot(acc[r][t], w[t], x[r] + g * 4);
    }
    const float* scales = m.scales + ((panel * kPanelTiles + tile) * blocks + block) * kTile;
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t)
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r)
        D::AddScaled(acc[r][t], scales + t * blocks * kTile, p.x_scales[at[r]],
                     totals[r] + t * kTile);
  }

  // All blocks of a few rows, with the sums in a buffer of their own.
  template <int R, int T>
  static void Few(const GemmParams& p, int row, int panel, int tile) {
    alignas(64) float totals[R * T * kTile] = {};
    float* rows[R];
    for (int r = 0; r < R; ++r) rows[r] = totals + r * T * kTile;
    for (int block = 0; block < p.w.k_blocks(); ++block)
      Block<R, T, true>(p, row, panel, tile, block, rows);
    const int n = (panel * kPanelTiles + tile) * kTile;
    const int count = n + T * kTile <= p.w.n ? T * kTile : p.w.n - n;
    for (int r = 0; r < R; ++r)
      for (int i = 0; i < count; ++i) p.Out(row + r, n)[i] = totals[r * T * kTile + i];
  }

  template <int R>
  static void FewTiles(const GemmParams& p, int row, int panel, int tile, int tile_end) {
    if constexpr (D::kWide) {
      for (; tile + 4 <= tile_end; tile += 4) Few<R, 4>(p, row, panel, tile);
    }
    for (; tile < tile_end; ++tile) Few<R, 1>(p, row, panel, tile);
  }

  // At most R rows.
  template <int R>
  static void UpTo(const GemmParams& p, int row, int rows, int panel, int tile, int tile_end) {
    if (rows == R) return FewTiles<R>(p, row, panel, tile, tile_end);
    if constexpr (R > 1) UpTo<R - 1>(p, row, rows, panel, tile, tile_end);
  }

  static void FewRows(const GemmParams& p, int row, int rows, int panel, int tile, int tile_end) {
    for (; rows >= kRows; row += kRows, rows -= kRows)
      FewTiles<kRows>(p, row, panel, tile, tile_end);
    UpTo<kRows>(p, row, rows, panel, tile, tile_end);
  }

  template <int R, int T>
  static void ManyBlock(const GemmParams& p, int row, int panel, int tile, int block) {
    float* out[R];
    for (int r = 0; r < R; ++r) {
      out[r] = p.Out(row + r, (panel * kPanelTiles + tile) * kTile);
      for (int i = 0; block == 0 && i < T * kTile; ++i) out[r][i] = 0;
    }
    Block<R, T, false>(p, row, panel, tile, block, out);
  }

  // T whole tiles and many rows: a block of weights stays in the cache over all of them.
  template <int T>
  static void ManyRows(const GemmParams& p, int row_begin, int rows, int panel, int tile) {
    const int pieces = (rows + kRows - 1) / kRows;
    for (int block = 0; block < p.w.k_blocks(); ++block) {
      for (int piece = 0; piece < pieces; ++piece) {
        const int row = row_begin + rows * piece / pieces;
        switch (rows * (piece + 1) / pieces - rows * piece / pieces) {
          case 3:
            ManyBlock<3, T>(p, row, panel, tile, block);
            break;
          case 4:
            ManyBlock<4, T>(p, row, panel, tile, block);
            break;
          case 5:
            ManyBlock<5, T>(p, row, panel, tile, block);
            break;
          default:
            ManyBlock<6, T>(p, row, panel, tile, block);
        }
      }
    }
  }

  static void Run(const GemmParams& p, int panel_begin, int panel_end) {
    for (int row = 0; row < p.rows; row += kRowsPerPass) {
      const int rows = p.rows - row < kRowsPerPass ? p.rows - row : kRowsPerPass;
      for (int panel = panel_begin; panel < panel_end; ++panel) {
        const int tiles = p.w.panel_tiles(panel), whole = p.w.n / kTile - panel * kPanelTiles;
        int tile = 0;
        if constexpr (D::kWide) {
          if (rows > kRows && whole >= kPanelTiles && tiles == kPanelTiles) {
            ManyRows<kPanelTiles>(p, row, rows, panel, 0);
            tile = tiles;
          }
        }
        if (tile < tiles) FewRows(p, row, rows, panel, tile, tiles);
      }
    }
  }
};

}  // namespace conclave::kernels
