// The GEMM of Arithmetic::kBf16Dot over any dot product unit (gemm_bf16dot_block.h), with bf16 or
// e4m3 weights. How rows and tiles are blocked never changes the order inside one output.
#pragma once

#include "kernels/gemm/gemm_bf16dot.h"
#include "kernels/gemm/gemm_bf16dot_block.h"

namespace conclave::kernels {

template <class D, WeightType kType>
struct Bf16DotKernel {
  using Block = Bf16DotBlock<D, kType>;
  using Blocks = typename Block::Blocks;
  using V = typename D::Vec;
  static constexpr int kRows = 6;       // of a register block
  static constexpr int kStepRows = 24;  // share a block of weights in the first-level cache
  static constexpr int kFusedRows = 8;  // more share decoded weights
  static constexpr int64_t kPassBytes = 1 << 20;  // rows of a pass stay in the second-level cache

  // Rows of a pass as pairs.
  struct Rows {
    const GemmParams* params;
    const uint32_t* pairs;
    int64_t stride;
    int first;  // the pass's first row
    const uint32_t* At(int row) const { return pairs + (row - first) * stride; }
  };

  // R rows times one block, onto totals [R][T * 16].
  template <int R, int T, PairSource kSource, bool kFirst>
  static void Multiply(const Rows& rows, const typename Block::Weights& w, int row, int first_tile,
                       int block, int k, float* totals) {
    const uint32_t* x[R];
    for (int r = 0; r < R; ++r) x[r] = rows.At(row + r) + k / 2;
    const auto sums = Block::template Multiply<R, T, kSource, kFirst>(w, x);
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
      const V scale = Blocks::Scale(rows.params->w, first_tile + t, block);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        float* total = totals + (r * T + t) * kTile;
        V::Fma(Blocks::RowScale(*rows.params, row + r, block, scale), sums.v[r][t], V::Load(total))
            .Store(total);
      }
    }
  }

  template <int R, int T, PairSource kSource, bool kFirst>
  static void UpTo(const Rows& rows, const typename Block::Weights& w, int row, int count,
                   int first_tile, int block, int k, float* totals) {
    if (count == R)
      return Multiply<R, T, kSource, kFirst>(rows, w, row, first_tile, block, k, totals);
    if constexpr (R > 1)
      UpTo<R - 1, T, kSource, kFirst>(rows, w, row, count, first_tile, block, k, totals);
  }

  // At most kStepRows rows through T tiles of a panel.
  template <int T>
  static void Step(const Rows& rows, int row, int count, int panel, int tile) {
    const GemmParams& p = *rows.params;
    const PackedMatrix& m = p.w;
    const auto [data, stride] = Blocks::At(m, panel, tile);
    const int first_tile = panel * kPanelTiles + tile;
    const int pieces = (count + kRows - 1) / kRows;  // of nearly equal size
    const bool decoded = Blocks::kFp8 && count > kFusedRows;
    alignas(64) uint8_t buffer[Blocks::kFp8 ? kKBlock / 2 * T * 64 : 64];
    alignas(64) float totals[kStepRows][T * kTile] = {};
    for (int block = 0; block < m.k_blocks(); ++block) {
      const auto span = Blocks::BlockSpan(m, panel, block);
      const int k = span.begin * Block::kGroup;
      const typename Block::Weights w{data + span.begin * stride, stride, buffer,
                                      span.end - span.begin, span.irregular};
      if constexpr (Blocks::kFp8) {
        if (decoded) Block::template Expand<T>(w, buffer);
      }
      for (int piece = 0; piece < pieces; ++piece) {
        const int begin = count * piece / pieces, size = count * (piece + 1) / pieces - begin;
        const auto run = decoded      ? UpTo<kRows, T, PairSource::kDecoded, false>
                         : piece == 0 ? UpTo<kRows, T, PairSource::kPacked, true>
                                      : UpTo<kRows, T, PairSource::kPacked, false>;
        run(rows, w, row + begin, size, first_tile, block, k, totals[begin]);
      }
    }
    const int n = first_tile * kTile;
    const int channels = n + T * kTile <= m.n ? T * kTile : m.n - n;
    for (int r = 0; r < count; ++r) {
      float* out = p.Out(row + r, n);
      for (int i = 0; i < channels; ++i) out[i] = totals[r][i];
    }
  }

  static void Panel(const Rows& rows, int count, int panel) {
    const int tiles = rows.params->w.panel_tiles(panel);
    const int steps = (count + kStepRows - 1) / kStepRows;  // of nearly equal size
    for (int step = 0; step < steps; ++step) {
      const int row = rows.first + count * step / steps;
      const int size = rows.first + count * (step + 1) / steps - row;
      int tile = 0;
      for (; tile + D::kTiles <= tiles; tile += D::kTiles)
        Step<D::kTiles>(rows, row, size, panel, tile);
      for (; tile < tiles; ++tile) Step<1>(rows, row, size, panel, tile);
    }
  }

  static void Run(const GemmParams& p, int panel_begin, int panel_end) {
    const int64_t stride = PairStride(p.w.k);
    int64_t step = kPassBytes / (stride * 4) / kStepRows * kStepRows;
    step = step < kStepRows ? kStepRows : step > 504 ? 504 : step;
    const int64_t passes = (p.rows + step - 1) / step;
    uint32_t* pairs = PairScratch(step * stride);
    for (int64_t pass = 0; pass < passes; ++pass) {
      const int row = static_cast<int>(p.rows * pass / passes);
      const int count = static_cast<int>(p.rows * (pass + 1) / passes) - row;
      for (int r = 0; r < count; ++r)
        D::PackRow(p.x + p.XRow(row + r) * p.x_stride, p.w.k, pairs + r * stride);
      const Rows rows{&p, pairs, stride, row};
      for (int panel = panel_begin; panel < panel_end; ++panel) Panel(rows, count, panel);
    }
  }
};

template <class D>
static void GemmBf16DotOn(const GemmParams& p, int panel_begin, int panel_end) {
  if (p.w.type == WeightType::kFp8)
    return Bf16DotKernel<D, WeightType::kFp8>::Run(p, panel_begin, panel_end);
  Bf16DotKernel<D, WeightType::kBf16>::Run(p, panel_begin, panel_end);
}

}  // namespace conclave::kernels
