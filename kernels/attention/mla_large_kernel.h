// Latent attention of up to 16 heads to a large bf16 cache, for instruction sets with 32 registers,
// in the first-level cache: a page in float32 would be four times that, and reading and writing it
// in the second level costs as much as a third of the multiply-adds when a neighbour uses the core.
// Scores go through the page 96 channels at a time, in groups of 16 tokens; while one group is
// multiplied, the group that was multiplied before it is replaced by its next channels. Mixtures
// turn 32 channels at a time, once for all heads. What is computed, in which order, is what tile.h
// does with a page.
#pragma once

#include "kernels/attention/mla.h"
#include "kernels/attention/mla_mix.h"
#include "kernels/attention/tile_weights.h"

namespace conclave::kernels {

template <class O>
struct MlaLargeKernel {
  using V = typename O::V;
  static constexpr int kWidth = 576;
  static constexpr int kChannels = 96;
  static constexpr int kBlocks = kWidth / kChannels;
  static constexpr int kGroup = 16;  // tokens
  static constexpr int kGroups = kMlaPageTokens / kGroup;
  static constexpr int kGroupFloats = kGroup * kChannels;
  static constexpr int kPageValues = kMlaPageTokens * kWidth;

  static bool Serves(const MlaSplitParams& p) {
    return MlaSplitOrder(p.shape) && p.shape.latent + p.shape.rope == kWidth &&
           p.heads <= kTileLanes;
  }

  static const uint16_t* Values(const uint8_t* bytes) {
    return reinterpret_cast<const uint16_t*>(bytes);
  }

  // Adds kChannels channels to the scores of a group, and turns a group `from` into `to`.
  template <bool kFirst>
  static void Scores(const float* keys, const float* q, float* scores, const uint16_t* from,
                     float* to, MixFetch& shared_fetch) {
    MixFetch fetch = shared_fetch;
    V acc[kGroup];
#pragma GCC unroll 16
    for (int j = 0; j < kGroup; ++j) acc[j] = kFirst ? V::Zero() : V::Load(scores + j * kTileLanes);
    for (int c = 0; c < kChannels; c += 32, from += 32, to += 32) {
      const uint16_t* turned = from;
      float* out = to;
      for (int t = 0; t < kGroup; ++t, q += 2 * kTileLanes, keys += 2) {
        const V x = V::Load(q), y = V::Load(q + kTileLanes);
#pragma GCC unroll 16
        for (int j = 0; j < kGroup; ++j) acc[j] = V::FmaAll(keys + j * kChannels, x, acc[j]);
        O::SplitBf16(turned, out);
        turned += kWidth;
        out += kChannels;
        fetch.Step();
#pragma GCC unroll 16
        for (int j = 0; j < kGroup; ++j) acc[j] = V::FmaAll(keys + j * kChannels + 1, y, acc[j]);
      }
    }
#pragma GCC unroll 16
    for (int j = 0; j < kGroup; ++j) acc[j].Store(scores + j * kTileLanes);
    shared_fetch = fetch;
  }

  static void Turn(const uint16_t* from, float* to) {
    for (int t = 0; t < kGroup; ++t) {
      for (int c = 0; c < kChannels; c += 32)
        O::SplitBf16(from + t * kWidth + c, to + t * kChannels + c);
    }
  }

  // The scores of a whole page; `next` is the whole page that is read afterwards, or null.
  static void PageScores(const MlaSplitParams& p, const uint8_t* bytes, const uint8_t* next,
                         MixFetch fetch, float* scores) {
    MlaPages& pages = *p.pages;
    const uint16_t* page = Values(bytes);
    float* keys = pages.buffer;  // [kGroups, kGroup, kChannels]
    if (pages.ready != bytes) {
      for (int g = 0; g + 1 < kGroups; ++g)
        Turn(page + g * kGroup * kWidth, keys + g * kGroupFloats);
    }
    const uint16_t* after = next != nullptr ? Values(next) : page;
    for (int block = 0; block < kBlocks; ++block) {
      for (int g = 0; g < kGroups; ++g) {
        const int turned = (g + kGroups - 1) % kGroups;
        const uint16_t* from = g == 0                ? page + block * kChannels
                               : block + 1 < kBlocks ? page + (block + 1) * kChannels
                                                     : after;
        const auto run = block == 0 ? Scores<true> : Scores<false>;
        run(keys + g * kGroupFloats, p.q + block * kChannels * kTileLanes,
            scores + g * kGroup * kTileLanes, from + turned * kGroup * kWidth,
            keys + turned * kGroupFloats, fetch);
      }
    }
    pages.ready = next;
  }

  // One whole page. Meanwhile `near` is fetched into the second-level cache with the scores,
  // near_bytes a step, and the first half of the page at `far` with the mixture.
  static void Page(const MlaSplitParams& p, const uint8_t* bytes, bool first, const uint8_t* next,
                   const uint8_t* near, int64_t near_bytes, const uint8_t* far) {
    alignas(64) float weights[kTileTokens * kTileLanes], keep[kTileLanes];
    alignas(64) float floats[kTileTokens * kMixChannels];
    PageScores(p, bytes, next, {near, near_bytes}, weights);
    const TileParams tile{
        .tokens = kMlaPageTokens, .rows = p.heads, .first = first, .max = p.max, .sum = p.sum};
    TileWeights<O>::template Run<TileLanes::kSixteen>(tile, weights, keep);
    MixFetch fetch{far, kWidth * kMixChannels / p.shape.latent};
    for (int c = 0; c < p.shape.latent; c += kMixChannels) {
      MixParams mix{.width = kWidth,
                    .tokens = kMlaPageTokens,
                    .rows = p.heads,
                    .first = first,
                    .weights = weights,
                    .keep = keep,
                    .mix = p.mix + c,
                    .mix_stride = p.shape.latent};
      MlaMix<O, kTileLanes>::template FromBf16<true>(mix, Values(bytes) + c, floats, fetch);
      mix.rows -= kMixRows;
      mix.weights += kMixRows;
      mix.keep += kMixRows;
      mix.mix += kMixRows * mix.mix_stride;
      MlaMix<O, kTileLanes>::FromFloats(mix, floats);
    }
  }
};

}  // namespace conclave::kernels
