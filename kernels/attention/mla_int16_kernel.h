// One split of latent attention over fixed-point latents, over the operations of any tile_ops_*.h.
#pragma once

#include <cstring>

#include "kernels/attention/mla_int16_mix.h"
#include "kernels/attention/mla_int16_scores.h"
#include "kernels/attention/mla_walk.h"
#include "kernels/attention/tile_weights.h"

namespace conclave::kernels {

template <class O>
struct MlaInt16Kernel {
  using V = typename O::V;
  using Ints = typename O::Ints;

  static void Run(const MlaSplitParams& p) {
    if (p.heads <= 8) {
      RunOn<TileLanes::kEightQuads>(p);
    } else {
      RunOn<TileLanes::kSixteen>(p);
    }
  }

 private:
  static constexpr int LanesOf(TileLanes lanes) {
    return lanes == TileLanes::kEightQuads ? 8 : kTileLanes;
  }

  // Latents that are no multiple of 32 channels are copied, with zeros behind them.
  static Int16Page Open(const MlaSplitParams& p, const uint8_t* bytes, int tokens) {
    const MlaCacheShape& s = p.shape;
    Int16Page page{.codes = reinterpret_cast<const int16_t*>(bytes),
                   .stride = s.TokenBytes() / 2,
                   .rope = reinterpret_cast<const int16_t*>(bytes) + s.latent,
                   .rope_stride = s.TokenBytes() / 2,
                   .tokens = tokens};
    if (s.MixWidth() == s.latent) return page;
    int16_t* to = reinterpret_cast<int16_t*>(p.scratch);
    std::memset(to, 0, sizeof(int16_t) * kMlaPageTokens * s.MixWidth());
    for (int t = 0; t < tokens; ++t)
      std::memcpy(to + t * s.MixWidth(), bytes + t * s.TokenBytes(), sizeof(int16_t) * s.latent);
    page.codes = to;
    page.stride = s.MixWidth();
    return page;
  }

  // Weights [tokens, 16] (with kEightQuads two tokens a vector) become codes.
  template <TileLanes L>
  static void Encode(int tokens, const float* w, const float* page_sum, float step,
                     Int16Weights& out) {
    const V sum = V::Load(page_sum);
    const V scale = V::Div(V::Set1(kInt16WeightSum), V::Max(sum, V::Set1(kInt16LeastSum)));
    constexpr int16_t kOne[] = {1, 1};
    const Ints ones = O::SetTwo(kOne);
    Ints total = O::ZeroInts();
    const int vectors = L == TileLanes::kEightQuads ? (tokens + 1) / 2 : tokens;
    for (int i = 0; i < vectors; i += 2) {
      const V a = V::Mul(V::Load(w + i * kTileLanes), scale);
      const V b = i + 1 < vectors ? V::Mul(V::Load(w + (i + 1) * kTileLanes), scale) : V::Zero();
      const Ints codes = L == TileLanes::kEightQuads
                             ? O::PairCodes(O::LowHalves(a, b), O::HighHalves(a, b))
                             : O::PairCodes(a, b);
      O::StoreInts(codes, out.codes + i * kTileLanes);
      total = O::Dot(total, codes, ones);
    }
    V count = O::ToFloat(total);
    if constexpr (L == TileLanes::kEightQuads) count = V::Add(count, O::SwapHalves(count));
    V::Div(V::Mul(sum, V::Set1(step)), V::Max(count, V::Set1(1.0f))).Store(out.factor);
  }

  template <TileLanes L>
  static void RunOn(const MlaSplitParams& p) {
    constexpr int kLanes = LanesOf(L);
    const int width = p.shape.MixWidth();
    const float step = MlaInt16Step(p.shape.latent);
    alignas(64) float weights[kMlaPageTokens * kLanes], page_sum[kTileLanes];
    Int16Weights codes;
    for (int64_t begin = p.span.begin; begin < p.span.end; begin += kMlaPageTokens) {
      int tokens = 0, next_tokens = 0;
      const uint8_t* bytes = MlaWalk::Later(p, begin, 0, &tokens);
      const uint8_t* next = MlaWalk::Later(p, begin, 1, &next_tokens);
      const Int16Page page = Open(p, bytes, tokens);
      const int64_t steps = Int16Scores<O>::Blocks(tokens) * width / (kLanes == 8 ? 4 : 2) +
                            (tokens + 1) / 2 * (width / 32);
      PageFetch fetch = PageFetch::Of(next, next_tokens * p.shape.TokenBytes(), steps, bytes);
      for (int head = 0; head < p.heads; head += kTileLanes) {
        const bool first = begin == p.span.begin;
        const int rows = p.heads - head < kTileLanes ? p.heads - head : kTileLanes;
        Int16Scores<O>::template Run<L>(page, p.shape, Int16Query::Of(p.q, p.heads, head, p.shape),
                                        fetch, weights);
        const TileParams tile{.tokens = tokens,
                              .rows = rows,
                              .first = first,
                              .max = p.max + head,
                              .sum = p.sum + head};
        TileWeights<O>::template Run<L>(tile, weights, codes.keep, page_sum);
        Encode<L>(tokens, weights, page_sum, step, codes);
        Int16Mix<O, kLanes>::Run(page, width, codes, rows, first, fetch,
                                 p.mix + static_cast<int64_t>(head) * width);
        if (head == 0) fetch.Rest();
        fetch = PageFetch::Of(nullptr, 0, 1, bytes);
      }
    }
  }
};

}  // namespace conclave::kernels
