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
    constexpr bool kPairs = L == TileLanes::kEightPairs;
    const int64_t stride = S > 0 ? S : p.stride;
    const float* keys = p.keys + token * stride;
    const int steps = kPairs ? p.width / 2 : p.width;
    V acc[J];
#pragma GCC unroll 24
    for (int j = 0; j < J; ++j) acc[j] = V::Zero();
    for (int i = 0; i < steps; ++i) {
      const V q = V::Load(p.q + i * kTileLanes);
#pragma GCC unroll 24
      for (int j = 0; j < J; ++j) {
        if constexpr (kPairs) {
          acc[j] = V::Fma(O::SetPair(keys + j * stride + 2 * i), q, acc[j]);
        } else {
          acc[j] = V::Fma(V::Set1(keys[j * stride + i]), q, acc[j]);
        }
      }
    }
    if constexpr (kPairs) {
#pragma GCC unroll 24
      for (int j = 0; j < J; j += 2)
        O::PairSums(acc[j], acc[j + 1 < J ? j + 1 : j]).Store(out + (token + j) * 8);
    } else {
#pragma GCC unroll 24
      for (int j = 0; j < J; ++j) acc[j].Store(out + (token + j) * kTileLanes);
    }
  }

  template <int J, TileLanes L, int S>
  static int ScoreBlocks(const TileParams& p, int token, float* out) {
    for (; token + J <= p.tokens; token += J) Scores<J, L, S>(p, token, out);
    return token;
  }

  template <TileLanes L, int S>
  static void ScoresOf(const TileParams& p, float* out) {
    int t = 0;
    if constexpr (O::kManyRegisters) {
      t = ScoreBlocks<24, L, S>(p, t, out);
      t = ScoreBlocks<16, L, S>(p, t, out);
      t = ScoreBlocks<8, L, S>(p, t, out);
    }
    t = ScoreBlocks<4, L, S>(p, t, out);
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
