// Latent attention of up to 8 heads to a bf16 cache, for instruction sets with 32 registers. Scores
// want float32 keys: 8 tokens of them lie in the first-level cache, and while they are multiplied,
// the next 8 are turned and take their place. Mixtures turn the values in registers, once for all
// heads. What is computed, in which order, is what tile.h does with a page.
#pragma once

#include "kernels/attention/mla.h"
#include "kernels/attention/mla_mix.h"
#include "kernels/attention/page_feed.h"
#include "kernels/attention/tile_scores.h"
#include "kernels/attention/tile_weights.h"

namespace conclave::kernels {

template <class O>
struct MlaSmallKernel {
  using V = typename O::V;
  static constexpr int kRows = 8;
  static constexpr int kBlockTokens = 8;
  static constexpr int kStep = 4 * kBlockTokens;  // values that are turned at once

  // What is read after a page.
  struct Next {
    const uint16_t* keys = nullptr;
    int tokens = 0;
  };

  // Scores of the 8 tokens at `from`, of which `keys` holds all but the last kStep channels in
  // float32. Those are turned first, then, where the channels just read lay, the ones of the 8
  // tokens at `next`. Channels go first, tokens next: then, at a width of 160, no store lies 4 KB
  // from the loads of the same time, which would hold these up. `ahead`: a line every second step.
  template <int S>
  static void Scores(const uint16_t* from, float* keys, int width, const float* q,
                     const uint16_t* next, const uint8_t* ahead, float* out) {
    const int stride = S > 0 ? S : width;
    V acc[kBlockTokens][2];
#pragma GCC unroll 8
    for (int j = 0; j < kBlockTokens; ++j) acc[j][0] = acc[j][1] = V::Zero();
    const uint16_t* turned = from + stride - kStep;
    float* to = keys + stride - kStep;
    for (int c = 0; c < stride; c += kStep) {
#pragma GCC unroll 8
      for (int t = 0; t < kBlockTokens; ++t, q += 2 * kTileLanes) {
        TileScores<O>::template AddQuads<kBlockTokens>(keys + c + 4 * t, stride, q, acc);
        O::SplitBf16(turned + t * stride, to + t * stride);
        if (t % 2 == 0) __builtin_prefetch(ahead + (t / 2) * 64, 0, 2);
      }
      turned = next + c;
      to = keys + c;
      ahead += kBlockTokens * kStep;
    }
    TileScores<O>::template StoreQuads<kBlockTokens>(acc, out);
  }

  static const uint16_t* Values(const uint8_t* bytes) {
    return reinterpret_cast<const uint16_t*>(bytes);
  }

  // Scores of a page [tokens, 8].
  static void PageScores(const MlaSplitParams& p, const uint16_t* page, int tokens, Next next,
                         const uint8_t* ahead, float* out) {
    MlaPages& pages = *p.pages;
    const int width = p.shape.latent + p.shape.rope;
    const int64_t block_values = kBlockTokens * width;
    for (int t = 0; t < tokens; t += kBlockTokens) {
      const uint16_t* keys = page + static_cast<int64_t>(t) * width;
      const int count = tokens - t < kBlockTokens ? tokens - t : kBlockTokens;
      if (count < kBlockTokens) {
        for (int i = 0; i < count * width; i += kStep) O::SplitBf16(keys + i, pages.buffer + i);
        const TileParams tile{
            .keys = pages.buffer, .stride = width, .tokens = count, .width = width, .q = p.q};
        TileScores<O>::template All<TileLanes::kEightQuads>(tile, out + t * kRows);
        pages.ready = nullptr;
        continue;
      }
      if (pages.ready != reinterpret_cast<const uint8_t*>(keys)) {
        for (int i = 0; i < kBlockTokens * width; i += width) {
          for (int c = 0; c < width - kStep; c += kStep)
            O::SplitBf16(keys + i + c, pages.buffer + i + c);
        }
      }
      const int left = t + kBlockTokens < tokens ? tokens - t - kBlockTokens : next.tokens;
      const uint16_t* later = t + kBlockTokens < tokens ? keys + block_values : next.keys;
      const bool whole = left >= kBlockTokens;
      if (width == kTileStrides[0]) {
        Scores<kTileStrides[0]>(keys, pages.buffer, width, p.q, whole ? later : keys,
                                ahead + t * width, out + t * kRows);
      } else {
        Scores<0>(keys, pages.buffer, width, p.q, whole ? later : keys, ahead + t * width,
                  out + t * kRows);
      }
      pages.ready = whole ? reinterpret_cast<const uint8_t*>(later) : nullptr;
    }
  }

  // One page. `ahead` is fetched into the second-level cache meanwhile, half of it with the scores.
  static void Page(const MlaSplitParams& p, const uint8_t* bytes, int tokens, bool first, Next next,
                   const uint8_t* ahead) {
    alignas(64) float weights[(kTileTokens + 1) * kRows], keep[kTileLanes];
    const int64_t width = p.shape.latent + p.shape.rope;
    const uint16_t* page = Values(bytes);
    if (ahead == nullptr) ahead = bytes;
    PageScores(p, page, tokens, next, ahead, weights);
    const TileParams tile{
        .tokens = tokens, .rows = p.heads, .first = first, .max = p.max, .sum = p.sum};
    TileWeights<O>::template Run<TileLanes::kEightQuads>(tile, weights, keep);
    MixFetch fetch{ahead + kTileTokens * width, kStep * width / p.shape.latent};
    for (int c = 0; c < p.shape.latent; c += kMixChannels) {
      const MixParams mix{.width = width,
                          .tokens = tokens,
                          .rows = p.heads,
                          .first = first,
                          .weights = weights,
                          .keep = keep,
                          .mix = p.mix + c,
                          .mix_stride = p.shape.latent};
      MlaMix<O, kRows>::template FromBf16<false>(mix, page + c, nullptr, fetch);
    }
  }
};

}  // namespace conclave::kernels
