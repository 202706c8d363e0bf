// One split of latent attention in the absorbed form, over any 16-lane vector.
#pragma once

#include <algorithm>
#include <utility>

#include "kernels/attention/mla_isa.h"
#include "kernels/attention/page_feed.h"
#include "kernels/attention/tile.h"
#include "kernels/base/dtypes.h"

namespace conclave::kernels {

template <class O>
struct MlaKernel {
  using V = typename O::V;

  static const uint8_t* Page(const MlaSplitParams& p, const MlaSpan& span, int64_t page) {
    return p.kv + span.pages[page] * p.page_stride;
  }
  static int Tokens(const MlaSpan& span, int64_t begin) {
    return static_cast<int>(span.end - begin < kMlaPageTokens ? span.end - begin : kMlaPageTokens);
  }
  // The page that this thread reads `distance` pages after the one at `begin`, or null.
  static const uint8_t* Later(const MlaSplitParams& p, int64_t begin, int distance, int* tokens) {
    const int64_t at = begin + distance * kMlaPageTokens;
    if (at < p.span.end) {
      *tokens = Tokens(p.span, at);
      return Page(p, p.span, at / kMlaPageTokens);
    }
    const int64_t rest = (p.span.end - begin + kMlaPageTokens - 1) / kMlaPageTokens;
    const int64_t next = p.next.begin + (distance - rest) * kMlaPageTokens;
    if (next >= p.next.end) return nullptr;
    *tokens = Tokens(p.next, next);
    return Page(p, p.next, next / kMlaPageTokens);
  }

  template <TileLanes L, class Feed>
  static void Attend(const MlaSplitParams& p, const float* kv, int64_t stride, int64_t begin,
                     Feed& feed) {
    const int width = p.shape.latent + p.shape.rope;
    for (int head = 0; head < p.heads; head += kTileLanes) {
      const TileParams tile{.keys = kv,
                            .values = kv,
                            .stride = stride,
                            .tokens = Tokens(p.span, begin),
                            .width = width,
                            .channels = p.shape.latent,
                            .q = p.q + static_cast<int64_t>(head) * width,
                            .rows = p.heads - head < kTileLanes ? p.heads - head : kTileLanes,
                            .first = begin == p.span.begin,
                            .max = p.max + head,
                            .sum = p.sum + head,
                            .mix = p.mix + static_cast<int64_t>(head) * p.shape.latent,
                            .mix_stride = p.shape.latent};
      Tile<O>::template Attend<L>(tile, feed);
    }
  }

  // Two pages of this size or more would not stay in the first-level cache anyway.
  static constexpr int64_t kSmallPageBytes = 44 << 10;

  template <TileLanes L>
  static void RunTurned(const MlaSplitParams& p) {
    MlaPages& pages = *p.pages;
    const int width = p.shape.latent + p.shape.rope;
    const int64_t stride = MlaPageStride(p.shape), page_floats = kMlaPageTokens * stride;
    const bool fed = MlaSplitOrder(p.shape) && stride == width && page_floats * 4 > kSmallPageBytes;
    for (int64_t begin = p.span.begin; begin < p.span.end; begin += kMlaPageTokens) {
      int tokens = 0, later_tokens = 0, unused = 0;
      const uint8_t* page = Later(p, begin, 0, &tokens);
      const uint8_t* later = Later(p, begin, 1, &later_tokens);
      const uint8_t* ahead = Later(p, begin, 2, &unused);
      float* current = pages.buffer + pages.current * page_floats;
      float* other = pages.buffer + (1 - pages.current) * page_floats;
      if (pages.ready != page || pages.ready_tokens < tokens)
        PageCopy<O>::Run(p.shape, page, tokens, current, stride, MlaSplitOrder(p.shape));
      pages.ready = nullptr;
      if (!fed || later == nullptr) {
        FetchFeed feed{later, later == nullptr ? 0 : later_tokens * p.shape.TokenBytes() / 64};
        Attend<L>(p, current, stride, begin, feed);
        continue;
      }
      PageFeed<O> feed{.from = reinterpret_cast<const uint16_t*>(later),
                       .to = other,
                       .ahead = ahead != nullptr ? ahead : page,
                       .steps = static_cast<int64_t>(later_tokens) * width / 32};
      Attend<L>(p, current, stride, begin, feed);
      while (feed.left() > 0) feed.Step();
      pages.current = 1 - pages.current;
      pages.ready = later;
      pages.ready_tokens = later_tokens;
    }
  }

  template <TileLanes L>
  static void RunOn(const MlaSplitParams& p) {
    if (p.shape.type != KvType::kF32) return RunTurned<L>(p);
    for (int64_t begin = p.span.begin; begin < p.span.end; begin += kMlaPageTokens) {
      const uint8_t* page = Page(p, p.span, begin / kMlaPageTokens);
      int tokens = 0;
      const uint8_t* later = Later(p, begin, 1, &tokens);
      FetchFeed feed{later, tokens * p.shape.TokenBytes() / 64};
      Attend<L>(p, reinterpret_cast<const float*>(page), p.shape.latent + p.shape.rope, begin,
                feed);
    }
  }

  static void Run(const MlaSplitParams& p) {
    if (MlaInPairs(p.heads, p.shape.latent + p.shape.rope)) {
      RunOn<TileLanes::kEightPairs>(p);
    } else {
      RunOn<TileLanes::kSixteen>(p);
    }
  }

  static void Merge(const MlaMergeParams& p) {
    const int lanes = MlaLanes(p.heads);
    const int64_t part_floats = MlaPartialFloats(p.heads, p.latent);
    for (int h = p.head_begin; h < p.head_end; ++h) {
      float* mix = p.into + 2 * lanes + static_cast<int64_t>(h) * p.latent;
      for (int part = 0; part < p.count; ++part) {
        const float* from = p.parts + part * part_floats;
        float &max = p.into[h], &sum = p.into[lanes + h];
        const float later = from[h], most = max > later ? max : later;
        const float keep = Exp2(max - most), take = Exp2(later - most);
        sum = __builtin_fmaf(from[lanes + h], take, sum * keep);
        max = most;
        const float* add = from + 2 * lanes + static_cast<int64_t>(h) * p.latent;
        const V kept = V::Set1(keep), taken = V::Set1(take);
        int c = 0;
        for (; c + V::kLanes <= p.latent; c += V::kLanes)
          V::Fma(V::Load(add + c), taken, V::Mul(V::Load(mix + c), kept)).Store(mix + c);
        if (const int left = p.latent - c; left > 0) {
          const V sum =
              V::Fma(O::LoadFirst(add + c, left), taken, V::Mul(O::LoadFirst(mix + c, left), kept));
          O::StoreFirst(sum, mix + c, left);
        }
      }
    }
  }
};

}  // namespace conclave::kernels
