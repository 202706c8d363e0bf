// The int8 GEMM over any vector of 16 int32 lanes. Weights are stored plus 128, so that they are
// the unsigned operand of u8 x s8 dot products; accumulators start at -128 * (sum of the row's
// codes), which takes the 128 out again at no cost. Sums of a block are exact, so their order is
// free: no instruction set, row count or blocking changes a bit.
#pragma once

#include "kernels/gemm/gemm.h"

namespace conclave::kernels {

// D: Acc (16 int32), Weights (16 channels x 4 input channels), Set1, Load, Dot, AddScaled, and
// kWide: whether 24 accumulators fit the registers.
template <class D>
struct GemmInt8Kernel {
  using Acc = typename D::Acc;
  static constexpr int kBlockGroups = kKBlock / 4;
  static constexpr int kRows = 6;  // of one register block

  // What one register block brings of the next panel into the second-level cache while it
  // multiplies: a line now and then, so that the memory works as evenly as the cores.
  struct Fetch {
    static constexpr int kLine = 1 << 16;
    const uint8_t* at = nullptr;
    int rate = 0;  // lines per group of the panel that is multiplied, times kLine
    int due = 0;

    void Step() {
      for (due += rate; due >= kLine; due -= kLine, at += 64) __builtin_prefetch(at, 0, 2);
    }
  };

  // R rows through T tiles of a panel. The panel's weights come from the second-level cache from
  // the second register block on.
  template <int R, int T, bool kFirst, bool kFetch>
  static void Multiply(const GemmParams& p, int row, int panel, int tile, Fetch fetch) {
    const PackedMatrix& m = p.w;
    const int64_t group_bytes = int64_t{m.panel_tiles(panel)} * 64;
    const int blocks = m.k_blocks();
    const uint8_t* data = m.data + m.panel_offset(panel) + tile * 64;
    const float* scales = m.scales + int64_t{panel * kPanelTiles + tile} * blocks * kTile;
    const int8_t* x[R];
    const float* x_scale[R];
    const int32_t* x_offset[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const int64_t at = p.XRow(row + r) * blocks;
      x[r] = p.x_codes + at * kKBlock;
      x_scale[r] = p.x_scales + at;
      x_offset[r] = p.x_offsets + at;
    }
    alignas(64) float totals[R][T * kTile] = {};
    for (int block = 0, k = 0; block < blocks; ++block) {
      const int left = m.groups() - block * kBlockGroups;
      const int end = k + 4 * (left < kBlockGroups ? left : kBlockGroups);
      Acc acc[R][T];
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) acc[r][t] = D::Set1(x_offset[r][block]);
      for (; k < end; k += 4, data += group_bytes) {
        if constexpr (kFetch) fetch.Step();
        typename D::Weights w[T];
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) {
          if constexpr (kFirst) PrefetchWeights(data + t * 64);
          w[t] = D::Load(data + t * 64);
        }
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
          for (int t = 0; t < T; ++t) acc[r][t] = D::Dot(acc[r][t], w[t], x[r] + k);
      }
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t)
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r)
          D::AddScaled(acc[r][t], scales + (int64_t{t} * blocks + block) * kTile, x_scale[r][block],
                       totals[r] + t * kTile);
    }
    const int n = (panel * kPanelTiles + tile) * kTile;
    const int count = n + T * kTile <= m.n ? T * kTile : m.n - n;
    for (int r = 0; r < R; ++r) {
      float* out = p.Out(row + r, n);
      for (int i = 0; i < count; ++i) out[i] = totals[r][i];
    }
  }

  template <int R, bool kFirst, bool kFetch>
  static void Tiles(const GemmParams& p, int row, int panel, Fetch fetch) {
    const int tiles = p.w.panel_tiles(panel);
    int tile = 0;
    if constexpr (D::kWide) {
      for (; tile + 4 <= tiles; tile += 4)
        Multiply<R, 4, kFirst, kFetch>(p, row, panel, tile, fetch);
    }
    for (; tile < tiles; ++tile) Multiply<R, 1, kFirst, false>(p, row, panel, tile, fetch);
  }

  // At most R rows; the first ones of a panel bring its weights from memory.
  template <int R>
  static void UpTo(const GemmParams& p, int row, int rows, int panel, Fetch fetch) {
    if (rows == R) {
      if (row == 0) return Tiles<R, true, true>(p, row, panel, fetch);
      return fetch.rate > 0 ? Tiles<R, false, true>(p, row, panel, fetch)
                            : Tiles<R, false, false>(p, row, panel, fetch);
    }
    if constexpr (R > 1) UpTo<R - 1>(p, row, rows, panel, fetch);
  }

  // The share of register block `piece` of `pieces` in fetching `panel`. Of many the first do it
  // all, the others have a loop without it.
  static Fetch Share(const PackedMatrix& m, int panel, int64_t piece, int64_t pieces) {
    constexpr int64_t kMost = 16;
    if (pieces > kMost) pieces = kMost;
    if (piece >= pieces) return {};
    const int64_t bytes = int64_t{m.panel_tiles(panel)} * 64 * m.groups();
    return {m.data + m.panel_offset(panel) + bytes * piece / pieces / 64 * 64,
            static_cast<int>(m.panel_tiles(panel) * Fetch::kLine / pieces)};
  }

  static void Run(const GemmParams& p, int panel_begin, int panel_end) {
    const int64_t pieces = (p.rows + kRows - 1) / kRows;  // of nearly equal size
    for (int panel = panel_begin; panel < panel_end; ++panel) {
      for (int64_t piece = 0; piece < pieces; ++piece) {
        const int begin = static_cast<int>(p.rows * piece / pieces);
        const Fetch fetch = panel + 1 < panel_end ? Share(p.w, panel + 1, piece, pieces) : Fetch{};
        UpTo<kRows>(p, begin, static_cast<int>(p.rows * (piece + 1) / pieces) - begin, panel,
                    fetch);
      }
    }
  }
};

}  // namespace conclave::kernels
