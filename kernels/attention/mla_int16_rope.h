// The rotary part of scores: float32 multiply-adds, a chain over the even channels and one over the
// odd ones, for J tokens.
#pragma once

#include "kernels/attention/page_feed.h"
#include "kernels/attention/tile_params.h"

namespace conclave::kernels {

template <class O>
struct Int16Rope {
  using V = typename O::V;

  // A token's bf16 to float32; R: their number, where the compiler knows it.
  template <int R>
  [[gnu::always_inline]] static inline void Turn(const uint8_t* from, int rope, float* to) {
    if constexpr (R == 0) return PageCopy<O>::Bf16(from, rope, to);
#pragma GCC unroll 4
    for (int c = 0; c < R; c += 32)
      O::WidenBf16(reinterpret_cast<const uint16_t*>(from) + c, to + c);
  }

  // keys [J, rope], q [rope][16]; out [J, 16].
  template <int J>
  [[gnu::always_inline]] static inline void OfSixteen(const float* keys, int rope, const float* q,
                                                      float* out) {
    V acc[J][2];
#pragma GCC unroll 24
    for (int j = 0; j < J; ++j) acc[j][0] = acc[j][1] = V::Zero();
    for (int c = 0; c < rope; c += 2, q += 2 * kTileLanes) {
      const V x = V::Load(q), y = V::Load(q + kTileLanes);
#pragma GCC unroll 24
      for (int j = 0; j < J; ++j) {
        acc[j][0] = V::FmaAll(keys + j * rope + c, x, acc[j][0]);
        acc[j][1] = V::FmaAll(keys + j * rope + c + 1, y, acc[j][1]);
      }
    }
#pragma GCC unroll 24
    for (int j = 0; j < J; ++j) V::Add(acc[j][0], acc[j][1]).Store(out + j * kTileLanes);
  }

  // q [rope / 2][8][2]; out [J, 8].
  template <int J>
  [[gnu::always_inline]] static inline void OfEight(const float* keys, int rope, const float* q,
                                                    float* out) {
    V acc[J];
#pragma GCC unroll 24
    for (int j = 0; j < J; ++j) acc[j] = V::Zero();
    for (int c = 0; c < rope; c += 2, q += kTileLanes) {
      const V x = V::Load(q);
#pragma GCC unroll 24
      for (int j = 0; j < J; ++j) acc[j] = V::Fma(O::SetDuo(keys + j * rope + c), x, acc[j]);
    }
#pragma GCC unroll 24
    for (int j = 0; j < J; j += 2) O::PairSums(acc[j], acc[j + 1]).Store(out + j * 8);
  }
};

}  // namespace conclave::kernels
