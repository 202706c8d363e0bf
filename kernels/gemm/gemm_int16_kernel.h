// The GEMM of int16 activations and weights of e4m3 or 16 bits over any vector of 16 int32 lanes,
// two input channels a lane. Codes of e4m3 become int16 on their way into the dot product; up to
// kFewRows rows take them from registers, more rows share what the first of them decoded
// (gemm_int16_block.h). Sums of a block are exact, so their order is free: no instruction set, row
// count or blocking changes a bit.
#pragma once

#include "kernels/gemm/gemm_int16_block.h"

namespace conclave::kernels {

template <class D, WeightType kType>
struct GemmInt16Kernel {
  using Blocks = GemmInt16Block<D, kType>;
  static constexpr int kRows = 6;  // of a register block
  static constexpr int kFewRows = 8;
  // Activations of one pass over the weights: they stay in the second-level cache over all panels.
  static constexpr int64_t kPassBytes = 1 << 20;

  // At most R rows meet T tiles while these are decoded, with as many tiles at once as their sums
  // leave registers for.
  template <int R, int T>
  static void Decode(const GemmParams& p, int row, int rows, const typename Blocks::Place& at) {
    if (rows == R) {
      constexpr int kAtOnce = R * T <= D::kSums ? T : R * 2 <= D::kSums && T >= 2 ? 2 : 1;
      for (int t = 0; t < T; t += kAtOnce)
        Blocks::template Decode<R, kAtOnce, false>(p, row, at.Tile(t), nullptr, nullptr);
      return;
    }
    if constexpr (R > 1) Decode<R - 1, T>(p, row, rows, at);
  }
  template <int T>
  static void FewRows(const GemmParams& p, int row, int rows, int panel, int tile) {
    for (int block = 0; block < p.w.k_blocks(); ++block)
      Decode<kFewRows, T>(p, row, rows, Blocks::At(p.w, panel, tile, block));
  }

  // At most R rows meet a block in pairs.
  template <int R, int T>
  static void Multiply(const GemmParams& p, int row, int rows, const typename Blocks::Place& at,
                       const int16_t* pairs, int64_t step, typename Blocks::Fetch* fetch) {
    if (rows == R) return Blocks::template Multiply<R, T>(p, row, at, pairs, step, fetch);
    if constexpr (R > 1) Multiply<R - 1, T>(p, row, rows, at, pairs, step, fetch);
  }
  template <int T>
  static void ManyRows(const GemmParams& p, int row_begin, int rows, int panel, int tile) {
    constexpr bool kInPairs = kType == WeightType::kInt16;
    constexpr int kFirst = kInPairs ? 0 : D::kSums / T < kRows ? D::kSums / T : kRows;
    alignas(64) int16_t decoded[kInPairs ? 1 : kKBlock * T * kTile];
    const int pieces = (rows - kFirst + kRows - 1) / kRows;  // of nearly equal size
    const int smaller = (rows - kFirst) / pieces, larger = (rows - kFirst) % pieces;
    for (int block = 0; block < p.w.k_blocks(); ++block) {
      const auto at = Blocks::At(p.w, panel, tile, block);
      typename Blocks::Fetch fetch(at);
      const int16_t* pairs = decoded;
      int64_t step = T * Blocks::kTileWords;
      if constexpr (kInPairs) {
        pairs = reinterpret_cast<const int16_t*>(at.data);
        step = at.stride / 2;
      } else {
        Blocks::template Decode<kFirst, T, true>(p, row_begin, at, decoded, &fetch);
      }
      int row = row_begin + kFirst;
      for (int piece = 0; piece < pieces; ++piece) {
        const int count = smaller + (piece < larger);
        Multiply<kRows, T>(p, row, count, at, pairs, step, &fetch);
        row += count;
      }
      while (fetch.lines > 0) fetch.Step();
    }
  }

  template <int T>
  static void Tiles(const GemmParams& p, int row, int rows, int panel, int tile) {
    rows > kFewRows ? ManyRows<T>(p, row, rows, panel, tile)
                    : FewRows<T>(p, row, rows, panel, tile);
  }

  static void Run(const GemmParams& p, int panel_begin, int panel_end) {
    if (p.rows == 0) return;
    const int64_t fit = kPassBytes / (int64_t{p.w.k_blocks()} * kKBlock * sizeof(int16_t));
    const int most = static_cast<int>(fit < 48 ? 48 : fit), passes = (p.rows + most - 1) / most;
    for (int pass = 0; pass < passes; ++pass) {
      const int row = static_cast<int>(int64_t{p.rows} * pass / passes);
      const int rows = static_cast<int>(int64_t{p.rows} * (pass + 1) / passes) - row;
      for (int panel = panel_begin; panel < panel_end; ++panel) {
        const int tiles = p.w.panel_tiles(panel);
        int tile = 0;
        if constexpr (D::kSums >= 4 * 4) {
          for (; tile + 4 <= tiles; tile += 4) Tiles<4>(p, row, rows, panel, tile);
        }
        for (; tile < tiles; ++tile) Tiles<1>(p, row, rows, panel, tile);
      }
    }
  }
};

template <class D>
static void GemmInt16On(const GemmParams& p, int panel_begin, int panel_end) {
  if (p.w.type == WeightType::kInt16)
    return GemmInt16Kernel<D, WeightType::kInt16>::Run(p, panel_begin, panel_end);
  GemmInt16Kernel<D, WeightType::kFp8Int16>::Run(p, panel_begin, panel_end);
}

}  // namespace conclave::kernels
