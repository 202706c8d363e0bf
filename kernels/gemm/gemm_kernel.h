// The GEMM over any 16-lane vector, with float32, bf16 or e4m3 weights. How rows and tiles are
// blocked never changes the order inside one output.
#pragma once

#include "kernels/gemm/gemm_few_rows.h"
#include "kernels/gemm/gemm_many_rows.h"

namespace conclave::kernels {

template <class V, WeightType kType>
struct GemmKernel {
  // Activations of one pass over the weights: they stay in the second-level cache over all panels.
  static constexpr int64_t kPassBytes = 1 << 20;
  static int RowsPerPass(int k) {
    const int64_t rows = kPassBytes / (int64_t{k} * 4) / 6 * 6;
    return static_cast<int>(rows < 48 ? 48 : rows > 510 ? 510 : rows);
  }

  static void Panel(const GemmParams& p, int row, int rows, int panel) {
    const int tiles = p.w.panel_tiles(panel);
    int tile = 0;
    if (rows > V::kFusedRows) {
      const int left = p.w.n / kTile - panel * kPanelTiles;  // tiles without missing channels
      const int whole = left < tiles ? left : tiles;
      if constexpr (V::kAccumulators >= 16) {
        for (; tile + 4 <= whole; tile += 4)
          GemmManyRows<V, kType>::template Run<4>(p, row, rows, panel, tile);
      }
      for (; tile < whole; ++tile)
        GemmManyRows<V, kType>::template Run<1>(p, row, rows, panel, tile);
    }
    if (tile < tiles) GemmFewRows<V, kType>::Rows(p, row, rows, panel, tile, tiles);
  }

  static void Run(const GemmParams& p, int panel_begin, int panel_end) {
    const int step = RowsPerPass(p.w.k), passes = (p.rows + step - 1) / step;
    for (int pass = 0; pass < passes; ++pass) {
      const int row = static_cast<int>(int64_t{p.rows} * pass / passes);
      const int rows = static_cast<int>(int64_t{p.rows} * (pass + 1) / passes) - row;
      for (int panel = panel_begin; panel < panel_end; ++panel) Panel(p, row, rows, panel);
    }
  }
};

template <class V>
static void GemmPanelsOn(const GemmParams& p, int panel_begin, int panel_end) {
  switch (p.w.type) {
    case WeightType::kFp8:
      return GemmKernel<V, WeightType::kFp8>::Run(p, panel_begin, panel_end);
    case WeightType::kBf16:
      return GemmKernel<V, WeightType::kBf16>::Run(p, panel_begin, panel_end);
    case WeightType::kF32:
      return GemmKernel<V, WeightType::kF32>::Run(p, panel_begin, panel_end);
    case WeightType::kInt8:
    case WeightType::kFp8Int16:
    case WeightType::kInt16:
      return;  // gemm_int8_kernel.h, gemm_int16_kernel.h
  }
}

}  // namespace conclave::kernels
