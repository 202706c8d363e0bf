// Many rows: the first of them meet a block of weights while it is decoded, in registers and into
// the first-level cache, where it waits for the others.
#pragma once

#include "kernels/gemm/gemm_block_sums.h"

namespace conclave::kernels {

template <class V, WeightType kType>
struct GemmManyRows {
  using Blocks = GemmBlocks<V, kType>;
  using Sums = GemmBlockSums<V, kType>;
  static constexpr int kGroup = Blocks::kGroup;
  static constexpr int kRows = 6;  // of a register block
  // The same while decoding.
  template <int T>
  static constexpr int kFirstRows = V::kAccumulators / T < kRows ? V::kAccumulators / T : kRows;

  template <int T>
  using Block = GemmDecodedBlock<V, kType, T>;

  // R rows, and the block's weights for the others.
  template <int R, int T>
  static void DecodeAndMultiply(const GemmParams& p, Block<T>& block, int row, int first_tile,
                                GemmBlockFetch& shared_fetch) {
    GemmBlockFetch fetch = shared_fetch;
    const float *x[R], *xk[R];
    Sums::Pointers(p, block, row, x);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) xk[r] = x[r];
    V acc[R][T];
    Sums::Clear(acc);
    const uint8_t* group = block.data;
    float* to = block.w[0];
    const auto decode = [&](int t, V* w) __attribute__((always_inline)) {
      __builtin_prefetch(group + t * 64 + 1024);
      Blocks::Decode(group + t * 64, w);
#pragma GCC unroll 4
      for (int j = 0; j < kGroup; ++j) w[j].Store(to + j * T * kTile + t * kTile);
    };
    const int whole = block.k_count / kGroup;
    for (int g = 0; g < whole; ++g, group += block.stride, to += kGroup * T * kTile) {
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) {
        V w[kGroup];
        decode(t, w);
        if (t % 2 == 0) fetch.Line();
#pragma GCC unroll 4
        for (int j = 0; j < kGroup; ++j)
#pragma GCC unroll 8
          for (int r = 0; r < R; ++r) acc[r][t] = V::FmaAll(xk[r] + j, w[j], acc[r][t]);
      }
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) xk[r] += kGroup;
    }
    fetch.lines -= whole * ((T + 1) / 2);
    shared_fetch = fetch;
    if (const int last = block.k_count % kGroup; last != 0) {  // at the end of the row only
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) {
        V w[kGroup];
        decode(t, w);
#pragma GCC unroll 4
        for (int j = 0; j + 1 < kGroup; ++j) {
          if (j == last) break;
#pragma GCC unroll 8
          for (int r = 0; r < R; ++r) acc[r][t] = V::FmaAll(xk[r] + j, w[j], acc[r][t]);
        }
      }
    }
    Sums::Finish(p, block, row, first_tile, x, acc);
  }

  // R rows of the others.
  template <int R, int T, bool kFetch>
  static void Multiply(const GemmParams& p, const Block<T>& block, int row, int first_tile,
                       GemmBlockFetch& shared_fetch) {
    GemmBlockFetch fetch = shared_fetch;
    const float* x[R];
    Sums::Pointers(p, block, row, x);
    V acc[R][T];
    Sums::Clear(acc);
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
    Sums::Finish(p, block, row, first_tile, x, acc);
  }

  // At most R rows.
  template <int R, int T>
  static void UpTo(const GemmParams& p, const Block<T>& block, int row, int rows, int first_tile,
                   GemmBlockFetch& fetch) {
    if (rows == R) {
      return fetch.lines > 0 ? Multiply<R, T, true>(p, block, row, first_tile, fetch)
                             : Multiply<R, T, false>(p, block, row, first_tile, fetch);
    }
    if constexpr (R > 1) UpTo<R - 1, T>(p, block, row, rows, first_tile, fetch);
  }

  // T whole tiles of a panel, rows [row_begin, row_begin + rows), more than kFirstRows<T>.
  template <int T>
  static void Run(const GemmParams& p, int row_begin, int rows, int panel, int tile) {
    Block<T> block;
    const int first_tile = panel * kPanelTiles + tile;
    const int left = rows - kFirstRows<T>;
    const int pieces = (left + kRows - 1) / kRows;  // of nearly equal size
    const int smaller = left / pieces, larger = left % pieces;
    for (int index = 0; index < p.w.k_blocks(); ++index) {
      block.Begin(p.w, panel, tile, index);
      GemmBlockFetch fetch(block);
      DecodeAndMultiply<kFirstRows<T>, T>(p, block, row_begin, first_tile, fetch);
      int row = row_begin + kFirstRows<T>;
      // The first `larger` pieces have one row more.
      for (int piece = 0; piece < pieces; ++piece) {
        const int count = smaller + (piece < larger);
        UpTo<kRows, T>(p, block, row, count, first_tile, fetch);
        row += count;
      }
      for (; fetch.lines > 0; --fetch.lines) fetch.Line();
    }
  }
};

}  // namespace conclave::kernels
