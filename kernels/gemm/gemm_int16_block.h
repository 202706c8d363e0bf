// A block of 128 input channels of the int16 GEMM: multiplied on its way from memory, or from the
// first-level cache, where it lies as [pairs of input channels][tiles][16 channels][2], which is
// what kInt16 is stored as.
#pragma once

#include "kernels/gemm/gemm_int16_sums.h"

namespace conclave::kernels {

// D: Acc (16 int32), Words (16 channels x 2 input channels of int16), Factor (16 float32), Zero,
// Decode (64 codes of e4m3 into the Words of two pairs), Load, Store, Dot, Same, Factors,
// AddScaled, and kSums: how many Acc fit the registers beside what decoding needs.
template <class D, WeightType kType>
struct GemmInt16Block : GemmInt16Sums<D, kType> {
  using Sums = GemmInt16Sums<D, kType>;
  using typename Sums::Fetch;
  using typename Sums::Place;
  using Acc = typename D::Acc;
  using Words = typename D::Words;
  static constexpr int kTileWords = 2 * kTile;
  static constexpr int kGroupPairs = GroupSize(kType) / 2;

  // R rows, and with kKeep the block's weights for others.
  template <int R, int T, bool kKeep>
  static void Decode(const GemmParams& p, int row, const Place& at, int16_t* keep,
                     Fetch* shared_fetch) {
    const int16_t* x[R];
    Sums::Pointers(p, row, at.block, x);
    Acc acc[R][T];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) acc[r][t] = D::Zero();
    const uint8_t* group = at.data;
    for (int g = 0; g < at.groups; ++g, group += at.stride) {
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) {
        if constexpr (kKeep) {
          __builtin_prefetch(group + t * 64 + 1024);
          if (t % 2 == 0 && shared_fetch->lines > 0) shared_fetch->Step();
        } else {
          PrefetchWeights(group + t * 64, 2048);
        }
        Words w[kGroupPairs];
        if constexpr (kType == WeightType::kInt16) {
          w[0] = D::Load(reinterpret_cast<const int16_t*>(group + t * 64));
        } else {
          D::Decode(group + t * 64, w);
        }
        if constexpr (kKeep) {
          D::Store(w[0], keep + t * kTileWords);
          D::Store(w[1], keep + (T + t) * kTileWords);
        }
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
          for (int pair = 0; pair < kGroupPairs; ++pair)
            acc[r][t] = D::Dot(acc[r][t], w[pair], x[r] + 2 * pair);
      }
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) x[r] += 2 * kGroupPairs;
      if constexpr (kKeep) keep += 2 * T * kTileWords;
    }
    Sums::Finish(p, row, at, acc);
  }

  // R rows over a block that lies in pairs, `step` values from one to the next.
  template <int R, int T>
  static void Multiply(const GemmParams& p, int row, const Place& at, const int16_t* kept,
                       int64_t step, Fetch* shared_fetch) {
    Fetch fetch = *shared_fetch;
    const int16_t* x[R];
    Sums::Pointers(p, row, at.block, x);
    Acc acc[R][T];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) acc[r][t] = D::Zero();
    for (int pair = 0; pair < kGroupPairs * at.groups; ++pair, kept += step) {
      Words w[T];
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) w[t] = D::Load(kept + t * kTileWords);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const auto all = D::Broadcast(x[r] + 2 * pair);
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) acc[r][t] = D::Dot(acc[r][t], w[t], all);
      }
      if (fetch.lines > 0) fetch.Step();
    }
    *shared_fetch = fetch;
    Sums::Finish(p, row, at, acc);
  }
};

}  // namespace conclave::kernels
