// Many rows: a block of T tiles is decoded once into the first-level cache and multiplied with all
// rows.
#pragma once

#include "kernels/gemm/gemm_blocks.h"

namespace conclave::kernels {

template <class V, WeightType kType>
struct GemmManyRows : GemmBlocks<V, kType> {
  using Blocks = GemmBlocks<V, kType>;
  using Blocks::kGroup;
  static constexpr int kRows = 6;  // of a register block

  // A decoded block.
  template <int T>
  struct Block {
    int index;    // k block
    int k_begin;  // first input channel
    int k_count;
    alignas(64) float w[kKBlock][T * kTile];
    // Of the groups of a tile that hold irregular codes: how many, their first input channels from
    // k_begin, what 4 input channels lack.
    int corrections[T];
    int correction_at[T][kKBlock / 4];
    alignas(64) float correction[T][kKBlock][kTile];
  };

  template <int T>
  static void Expand(const PackedMatrix& m, int panel, int tile, int index, Block<T>* block) {
    const auto [data, stride] = Blocks::At(m, panel, tile);
    const auto span = Blocks::BlockSpan(m, panel, index);
    block->index = index;
    block->k_begin = span.begin * kGroup;
    block->k_count = (span.end * kGroup < m.k ? span.end * kGroup : m.k) - block->k_begin;
    for (int t = 0; t < T; ++t) block->corrections[t] = 0;
    float* out = block->w[0];
    for (int g = span.begin; g < span.end; ++g) {
      const uint8_t* group = data + g * stride;
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) {
        __builtin_prefetch(group + t * 64 + 1024);
        V w[kGroup];
        Blocks::Decode(group + t * 64, w);
        for (int j = 0; j < kGroup; ++j)
          w[j].Store(out + ((g - span.begin) * kGroup + j) * T * kTile + t * kTile);
      }
    }
    if constexpr (Blocks::kFp8) {
      for (uint32_t flags = span.irregular; flags != 0; flags &= flags - 1) {
        const int group = __builtin_ctz(flags), k = group * kGroup;
        for (int t = 0; t < T; ++t) {
          if (!V::AnyIrregularFp8(data + (span.begin + group) * stride + t * 64)) continue;
          const int at = block->corrections[t]++;
          block->correction_at[t][at] = k;
          for (int j = 0; j < kGroup; ++j)
            V::CorrectFp8(V::Load(block->w[k + j] + t * kTile))
                .Store(block->correction[t][at * kGroup + j]);
        }
      }
    }
  }

  // Brings the next block into the second-level cache while this one is multiplied, a line every
  // few multiply-adds: all at once they would wait for the memory.
  struct Fetch {
    const uint8_t* at;
    int64_t step;  // bytes from line to line
    int lines;     // left

    void Line() {
      __builtin_prefetch(at, 0, 2);
      at += step;
    }
  };
  template <int T>
  static Fetch NextBlock(const PackedMatrix& m, int panel, int tile, int index) {
    const auto [data, stride] = Blocks::At(m, panel, tile);
    const auto span = Blocks::BlockSpan(m, panel, index);
    return {.at = data + span.end * stride,
            .step = T * kTile * 4 == stride ? 64 : stride,
            .lines = Blocks::kBlockGroups * T};
  }

  // Adds the product of R rows and the block to the output; the first block starts it.
  template <int R, int T, bool kFetch>
  static void Multiply(const GemmParams& p, const Block<T>& block, int row, int first_tile,
                       Fetch& shared_fetch) {
    Fetch fetch = shared_fetch;
    const float* x[R];
    for (int r = 0; r < R; ++r) x[r] = p.x + p.XRow(row + r) * p.x_stride + block.k_begin;
    V acc[R][T];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) acc[r][t] = V::Zero();
    const auto step = [&](const float* w, int k) __attribute__((always_inline)) {
      V wk[T];
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) wk[t] = V::Load(w + t * kTile);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const V xk = V::Set1(x[r][k]);
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) acc[r][t] = V::Fma(xk, wk[t], acc[r][t]);
      }
    };
    int k = 0;
    for (; k + 2 <= block.k_count; k += 2) {
      if constexpr (kFetch) fetch.Line();
      step(block.w[k], k);
      step(block.w[k + 1], k + 1);
    }
    if (k < block.k_count) step(block.w[k], k);
    if constexpr (kFetch) {
      fetch.lines -= block.k_count / 2;
      shared_fetch = fetch;
    }
    if constexpr (Blocks::kFp8) {
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) {
        for (int c = 0; c < block.corrections[t]; ++c) {
          const int at = block.correction_at[t][c];
          for (int j = 0; j < kGroup && at + j < block.k_count; ++j) {
            const V lacks = V::Load(block.correction[t][c * kGroup + j]);
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r) acc[r][t] = V::Fma(V::Set1(x[r][at + j]), lacks, acc[r][t]);
          }
        }
      }
    }
    V scale[T];
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) scale[t] = Blocks::Scale(p.w, first_tile + t, block.index);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      float* out = p.Out(row + r, first_tile * kTile);
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) {
        const V before = block.index == 0 ? V::Zero() : V::Load(out + t * kTile);
        V::Fma(Blocks::RowScale(p, row + r, block.index, scale[t]), acc[r][t], before)
            .Store(out + t * kTile);
      }
    }
  }

  // At most R rows.
  template <int R, int T>
  static void UpTo(const GemmParams& p, const Block<T>& block, int row, int rows, int first_tile,
                   Fetch& fetch) {
    if (rows == R) {
      return fetch.lines > 0 ? Multiply<R, T, true>(p, block, row, first_tile, fetch)
                             : Multiply<R, T, false>(p, block, row, first_tile, fetch);
    }
    if constexpr (R > 1) UpTo<R - 1, T>(p, block, row, rows, first_tile, fetch);
  }

  // T whole tiles of a panel, rows [row_begin, row_begin + rows).
  template <int T>
  static void Run(const GemmParams& p, int row_begin, int rows, int panel, int tile) {
    Block<T> block;
    const int first_tile = panel * kPanelTiles + tile;
    const int pieces = (rows + kRows - 1) / kRows;  // of nearly equal size
    const int smaller = rows / pieces, larger = rows % pieces;
    for (int index = 0; index < p.w.k_blocks(); ++index) {
      Expand<T>(p.w, panel, tile, index, &block);
      Fetch fetch = NextBlock<T>(p.w, panel, tile, index);
      // The first `larger` pieces have one row more.
      for (int piece = 0, row = row_begin; piece < pieces; ++piece) {
        const int count = smaller + (piece < larger);
        UpTo<kRows, T>(p, block, row, count, first_tile, fetch);
        row += count;
      }
      for (; fetch.lines > 0; --fetch.lines) fetch.Line();
    }
  }
};

}  // namespace conclave::kernels
