// Scores of a tile become weights, with the online softmax.
#pragma once

#include "kernels/attention/tile_params.h"
#include "kernels/base/exp.h"

namespace conclave::kernels {

// Read from kTileLanes - n on, lanes n .. 15 pass and the ones below do not: as a bound of scores
// and as a factor of weights.
struct TileMasks {
  alignas(64) float score[2 * kTileLanes];
  alignas(64) float weight[2 * kTileLanes];
};
static constexpr TileMasks MakeTileMasks() {
  TileMasks masks{};
  for (int i = 0; i < 2 * kTileLanes; ++i) {
    masks.score[i] = i < kTileLanes ? -__builtin_inff() : __builtin_inff();
    masks.weight[i] = i < kTileLanes ? 0.0f : 1.0f;
  }
  return masks;
}
static constexpr TileMasks kTileMasks = MakeTileMasks();

template <class O>
struct TileWeights {
  using V = typename O::V;

  // Scores become weights; `keep` is what the earlier state is worth now, `page_sum` (16 lanes) the
  // sum of these weights; null: not wanted.
  template <TileLanes L>
  static void Run(const TileParams& p, float* w, float* keep, float* page_sum = nullptr) {
    constexpr bool kTwoTokens = L == TileLanes::kEightQuads;
    const int vectors = kTwoTokens ? (p.tokens + 1) / 2 : p.tokens;
    const bool causal = p.tokens - 1 > p.visible, half = kTwoTokens && p.tokens % 2 != 0;
    const int last = vectors - 1;
    const auto shift = [&](int token) {  // lanes below it do not see the token
      const int lanes = token - p.visible;
      return lanes < 0 ? 0 : lanes > kTileLanes ? kTileLanes : lanes;
    };
    if (half) {
      const V low = O::SwapHalves(V::Load(kTileMasks.score + 8));
      V::Min(V::Load(w + last * kTileLanes), low).Store(w + last * kTileLanes);
    }
    if (causal) {
      for (int i = 0; i < vectors; ++i) {
        const V mask = V::Load(kTileMasks.score + kTileLanes - shift(i));
        V::Min(V::Load(w + i * kTileLanes), mask).Store(w + i * kTileLanes);
      }
    }
    V before = V::Set1(-__builtin_inff()), sum = V::Zero();
    if (!p.first) {
      before = V::Load(p.max);
      sum = V::Load(p.sum);
    }
    V most[4] = {before, before, before, before};  // short chains
    const float *at = w, *const end = w + vectors * kTileLanes;
    for (; end - at >= 4 * kTileLanes; at += 4 * kTileLanes) {
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) most[k] = V::Max(most[k], V::Load(at + k * kTileLanes));
    }
    for (; at < end; at += kTileLanes) most[0] = V::Max(most[0], V::Load(at));
    V max = V::Max(V::Max(most[0], most[1]), V::Max(most[2], most[3]));
    if constexpr (kTwoTokens) max = V::Max(max, O::SwapHalves(max));
    const V kept = p.first ? V::Zero() : Exp2Vec(V::Sub(before, max));
    V page = V::Zero();
    for (int i = 0; i < vectors; ++i) {
      V e = Exp2Vec(V::Sub(V::Load(w + i * kTileLanes), max));
      if (causal) e = V::Mul(e, V::Load(kTileMasks.weight + kTileLanes - shift(i)));
      if (half && i == last) e = V::Mul(e, O::SwapHalves(V::Load(kTileMasks.weight + 8)));
      e.Store(w + i * kTileLanes);
      page = V::Add(page, e);
    }
    if constexpr (kTwoTokens) page = V::Add(page, O::SwapHalves(page));
    if (page_sum != nullptr) page.Store(page_sum);
    max.Store(p.max);
    V::Fma(sum, kept, page).Store(p.sum);
    kept.Store(keep);
  }
};

}  // namespace conclave::kernels
