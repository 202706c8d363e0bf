// Scores of a tile: queries in lanes, a chain of multiply-adds per token.
#pragma once

#include "kernels/attention/tile_params.h"

namespace conclave::kernels {

template <class O>
struct TileScores {
  using V = typename O::V;

  // Scores of J tokens. A stride S known to the compiler makes the tokens' addresses one pointer;
  // with more it would reload them all the time.
  template <int J, TileLanes L, int S>
  static void Scores(const TileParams& p, int token, float* out) {
    const int64_t stride = S > 0 ? S : p.stride;
    const float* keys = p.keys + token * stride;
    if constexpr (L == TileLanes::kEightQuads) {
      V acc[J][2];
#pragma GCC unroll 24
      for (int j = 0; j < J; ++j) acc[j][0] = acc[j][1] = V::Zero();
      for (int c = 0; c < p.width; c += 4)
        AddQuads<J>(keys + c, stride, p.q + c / 4 * 2 * kTileLanes, acc);
      StoreQuads<J>(acc, out + token * 8);
    } else {
      V acc[J];
#pragma GCC unroll 24
      for (int j = 0; j < J; ++j) acc[j] = V::Zero();
      for (int c = 0; c < p.width; ++c) {
        const V q = V::Load(p.q + c * kTileLanes);
#pragma GCC unroll 24
        for (int j = 0; j < J; ++j) acc[j] = V::Fma(V::Set1(keys[j * stride + c]), q, acc[j]);
      }
#pragma GCC unroll 24
      for (int j = 0; j < J; ++j) acc[j].Store(out + (token + j) * kTileLanes);
    }
  }

  // Four channels of J tokens for 8 queries.
  template <int J>
  [[gnu::always_inline]] static inline void AddQuads(const float* keys, int64_t stride,
                                                     const float* q, V (&acc)[J][2]) {
    const V x = V::Load(q), y = V::Load(q + kTileLanes);
#pragma GCC unroll 24
    for (int j = 0; j < J; ++j) {
      const V key = O::SetQuad(keys + j * stride);
      acc[j][0] = V::Fma(key, x, acc[j][0]);
      acc[j][1] = V::Fma(key, y, acc[j][1]);
    }
  }
  // To [J, 8]; of an odd J the last token twice.
  template <int J>
  [[gnu::always_inline]] static inline void StoreQuads(const V (&acc)[J][2], float* out) {
#pragma GCC unroll 24
    for (int j = 0; j < J; j += 2) {
      const V a = O::PairSums(acc[j][0], acc[j][1]);
      const V b =
          j + 1 < J ? O::PairSums(acc[j + 1 < J ? j + 1 : j][0], acc[j + 1 < J ? j + 1 : j][1]) : a;
      O::PairSums(a, b).Store(out + j * 8);
    }
  }

  template <int J, TileLanes L, int S>
  static int ScoreBlocks(const TileParams& p, int token, float* out) {
    for (; token + J <= p.tokens; token += J) Scores<J, L, S>(p, token, out);
    return token;
  }

  template <TileLanes L, int S>
  static void ScoresOf(const TileParams& p, float* out) {
    constexpr bool kQuads = L == TileLanes::kEightQuads;
    int t = 0;
    if constexpr (O::kManyRegisters) {
      t = ScoreBlocks < kQuads ? 12 : 24, L, S > (p, t, out);
      if constexpr (!kQuads) t = ScoreBlocks<16, L, S>(p, t, out);
      t = ScoreBlocks<8, L, S>(p, t, out);
    }
    if constexpr (O::kManyRegisters || !kQuads) t = ScoreBlocks<4, L, S>(p, t, out);
    t = ScoreBlocks<2, L, S>(p, t, out);
    ScoreBlocks<1, L, S>(p, t, out);
  }

  template <TileLanes L>
  static void All(const TileParams& p, float* out) {
    if constexpr (O::kManyRegisters) {
      if (p.stride == kTileStrides[0]) return ScoresOf<L, kTileStrides[0]>(p, out);
      if (p.stride == kTileStrides[1]) return ScoresOf<L, kTileStrides[1]>(p, out);
      if (p.stride == kTileStrides[2]) return ScoresOf<L, kTileStrides[2]>(p, out);
      if (p.stride == kTileStrides[3]) return ScoresOf<L, kTileStrides[3]>(p, out);
    }
    ScoresOf<L, 0>(p, out);
  }
};

}  // namespace conclave::kernels
