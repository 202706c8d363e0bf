// The sums of some rows over a decoded block: where they start and how they end.
#pragma once

#include "kernels/gemm/gemm_decoded_block.h"

namespace conclave::kernels {

template <class V, WeightType kType>
struct GemmBlockSums {
  using Blocks = GemmBlocks<V, kType>;
  static constexpr int kGroup = Blocks::kGroup;
  template <int T>
  using Block = GemmDecodedBlock<V, kType, T>;

  // Of R rows, from the block's first input channel on.
  template <int R, int T>
  static void Pointers(const GemmParams& p, const Block<T>& block, int row, const float* (&x)[R]) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) x[r] = p.x + p.XRow(row + r) * p.x_stride + block.k_begin;
  }
  template <int R, int T>
  static void Clear(V (&acc)[R][T]) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) acc[r][t] = V::Zero();
  }

  // Adds a block's sums to the output; the first block starts it.
  template <int R, int T>
  __attribute__((always_inline)) static inline void Finish(const GemmParams& p,
                                                           const Block<T>& block, int row,
                                                           int first_tile, const float* (&x)[R],
                                                           V (&acc)[R][T]) {
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
};

}  // namespace conclave::kernels
