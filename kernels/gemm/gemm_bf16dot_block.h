// One block of 128 input channels of the bf16 dot product GEMM.
#pragma once

#include "kernels/base/dtypes.h"
#include "kernels/gemm/gemm_blocks.h"

namespace conclave::kernels {

// Where a block's weights come from: packed bf16 is what the instruction takes; e4m3 is decoded to
// it in registers, or was decoded into a buffer that many rows share.
enum class PairSource { kPacked, kDecoded };

// D, the dot product unit: Vec (a vector of base/), Pairs (16 channels x 2 bf16), Load, Store,
// DecodeFp8 (16 channels x 4 codes to two Pairs, times 2^-8, by the rule of regular codes),
// Dot(sums, pairs, two bf16 for all lanes), PackRow, kTiles (of a register block). All in registers
// of kRows.
template <class D, WeightType kType>
struct Bf16DotBlock {
  using V = typename D::Vec;
  using Blocks = GemmBlocks<V, kType>;
  using Pairs = typename D::Pairs;
  static constexpr int kGroup = GroupSize(kType);
  static constexpr int kGroupPairs = kGroup / 2;

  template <int R, int T>
  struct Sums {
    V v[R][T];
  };

  // Weights of some groups of T tiles.
  struct Weights {
    const uint8_t* data;  // packed, of the block's first group
    int64_t stride;
    const uint8_t* pairs;  // kDecoded: [groups * kGroupPairs][T][64]
    int groups;
    uint32_t irregular;
  };

  // What irregular codes lack, along k. Rare, and out of line as in gemm_few_rows.h.
  template <int R, int T>
  __attribute__((noinline)) static Sums<R, T> Correct(const Weights& w, const uint32_t* const* x,
                                                      Sums<R, T> sums) {
    for (uint32_t flags = w.irregular; flags != 0; flags &= flags - 1) {
      const int g = __builtin_ctz(flags);
      for (int t = 0; t < T; ++t) {
        V codes[kGroup];
        Blocks::Decode(w.data + g * w.stride + t * 64, codes);
        for (int j = 0; j < kGroup; ++j) {
          const V lacks = V::CorrectFp8(codes[j]);
          for (int r = 0; r < R; ++r) {
            const uint32_t pair = x[r][g * kGroupPairs + j / 2];
            const float value = DecodeBf16(static_cast<uint16_t>(j % 2 ? pair >> 16 : pair));
            sums.v[r][t] = V::Fma(V::Set1(value), lacks, sums.v[r][t]);
          }
        }
      }
    }
    return sums;
  }

  // x: the pairs of R rows from the block's first input channel on.
  template <int R, int T, PairSource kSource, bool kFirst>
  __attribute__((always_inline)) static inline Sums<R, T> Multiply(const Weights& w,
                                                                   const uint32_t* const* x) {
    V acc[R][T];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) acc[r][t] = V::Zero();
    for (int g = 0; g < w.groups; ++g) {
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) {
        const uint8_t* packed = w.data + g * w.stride + t * 64;
        if constexpr (kFirst) PrefetchWeights(packed);
        Pairs pairs[kGroupPairs];
        if constexpr (kSource == PairSource::kDecoded) {
#pragma GCC unroll 2
          for (int i = 0; i < kGroupPairs; ++i)
            pairs[i] = D::Load(w.pairs + ((g * kGroupPairs + i) * T + t) * 64);
        } else if constexpr (Blocks::kFp8) {
          D::DecodeFp8(packed, pairs);
        } else {
          pairs[0] = D::Load(packed);
        }
#pragma GCC unroll 2
        for (int i = 0; i < kGroupPairs; ++i)
#pragma GCC unroll 8
          for (int r = 0; r < R; ++r)
            acc[r][t] = D::Dot(acc[r][t], pairs[i], x[r] + g * kGroupPairs + i);
      }
    }
    Sums<R, T> sums;
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) sums.v[r][t] = acc[r][t];
    if constexpr (Blocks::kFp8) {
      if (w.irregular != 0) sums = Correct<R, T>(w, x, sums);
    }
    return sums;
  }

  // Decodes the block's weights.
  template <int T>
  static void Expand(const Weights& w, uint8_t* out) {
    for (int g = 0; g < w.groups; ++g) {
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) {
        const uint8_t* packed = w.data + g * w.stride + t * 64;
        PrefetchWeights(packed);
        Pairs pairs[kGroupPairs];
        D::DecodeFp8(packed, pairs);
        for (int i = 0; i < kGroupPairs; ++i)
          D::Store(pairs[i], out + ((g * kGroupPairs + i) * T + t) * 64);
      }
    }
  }
};

}  // namespace conclave::kernels
