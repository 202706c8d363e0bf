// The int8 GEMM over tile registers (AMX): up to 16 rows, 16 output channels and 64 input channels
// in one instruction. The packed layout is what it takes as its unsigned operand. Sums of a block
// are exact integers, so the bits are those of gemm_int8_kernel.h.
#pragma once

#include <cstring>

#include "kernels/gemm/gemm.h"
#include "kernels/gemm/tile_block.h"

namespace conclave::kernels {

// U: a tile unit.
template <class U>
struct GemmInt8Tiles {
  using Block = TileBlock<U>;
  static constexpr int kTileRows = Block::kTileRows, kGroups = Block::kGroups;
  // Row pieces of a pass share a block of weights while it is in the first-level cache.
  static constexpr int kPassPieces = 3;

  // Rows of a pass: `pieces` pieces of `height` rows. The last one moves back to end with the last
  // row, and so may repeat rows of the one before.
  struct Pass {
    int row, rows, pieces, height;
    int Begin(int piece) const {
      return piece * height + height <= rows ? piece * height : rows - height;
    }
  };

  template <int T>
  static void RunPass(const GemmParams& p, const Pass& pass, int panel) {
    const PackedMatrix& m = p.w;
    const int blocks = m.k_blocks();
    const uint8_t* data = m.data + m.panel_offset(panel);
    const float* scales = m.scales + int64_t{panel} * kPanelTiles * blocks * kTile;
    alignas(64) float totals[kPassPieces * kTileRows][T * kTile] = {};
    alignas(64) int32_t sums[kTileRows][T * kTile];
    alignas(64) int8_t gathered[kTileRows][kKBlock];
    alignas(64) uint8_t tail[T][kGroups][64] = {};
    for (int block = 0; block < blocks; ++block) {
      const int first = block * (kKBlock / 4), left = m.groups() - first;
      const typename Block::Weights w{data + int64_t{first} * T * 64, T * 64,
                                      left < kKBlock / 4 ? left : kKBlock / 4, tail[0][0]};
      for (int g = w.groups / kGroups * kGroups; g < w.groups; ++g)  // the last block only
        for (int t = 0; t < T; ++t)
          std::memcpy(tail[t][g % kGroups], w.data + g * w.group_bytes + t * 64, 64);
      if (pass.row == 0) {
        for (int g = 0; g < w.groups * T; ++g) PrefetchWeights(w.data + g * 64);
      }
      for (int piece = 0; piece < pass.pieces; ++piece) {
        const int begin = pass.Begin(piece), row = pass.row + begin;
        const int64_t row_bytes = int64_t{blocks} * kKBlock;
        const int8_t* codes = p.x_codes + row * row_bytes + block * kKBlock;
        if (p.x_rows != nullptr) {
          for (int r = 0; r < pass.height; ++r)
            std::memcpy(gathered[r], p.x_codes + p.XRow(row + r) * row_bytes + block * kKBlock,
                        kKBlock);
          codes = gathered[0];
        }
        Block::template Sums<T>(w, codes, p.x_rows != nullptr ? kKBlock : row_bytes, sums[0]);
        // A row that a piece repeats has its total already.
        const int done = piece == 0 ? 0 : pass.Begin(piece - 1) + pass.height - begin;
        for (int r = done; r < pass.height; ++r) {
          const int64_t at = p.XRow(row + r) * blocks + block;
          for (int t = 0; t < T; ++t)
            U::AddScaled(sums[r] + t * kTile, p.x_offsets[at],
                         scales + (int64_t{t} * blocks + block) * kTile, p.x_scales[at],
                         totals[begin + r] + t * kTile);
        }
      }
    }
    const int n = panel * kPanelTiles * kTile;
    const int count = n + T * kTile <= m.n ? T * kTile : m.n - n;
    for (int r = 0; r < pass.rows; ++r)
      std::memcpy(p.Out(pass.row + r, n), totals[r], sizeof(float) * count);
  }

  static void Run(const GemmParams& p, int panel_begin, int panel_end) {
    constexpr int kPassRows = kPassPieces * kTileRows;
    const int64_t passes = (p.rows + kPassRows - 1) / kPassRows;  // of nearly equal size
    int configured = 0;
    for (int panel = panel_begin; panel < panel_end; ++panel) {
      for (int64_t i = 0; i < passes; ++i) {
        const int row = static_cast<int>(p.rows * i / passes);
        const int rows = static_cast<int>(p.rows * (i + 1) / passes) - row;
        const int pieces = (rows + kTileRows - 1) / kTileRows;
        const Pass pass{row, rows, pieces, (rows + pieces - 1) / pieces};
        if (configured != pass.height) Block::Configure(configured = pass.height);
        const int tiles = p.w.panel_tiles(panel);
        (tiles == 4   ? RunPass<4>
         : tiles == 3 ? RunPass<3>
         : tiles == 2 ? RunPass<2>
                      : RunPass<1>)(p, pass, panel);
      }
    }
    if (configured != 0) U::Release();
  }
};

}  // namespace conclave::kernels
