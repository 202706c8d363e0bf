// One split of latent attention in the absorbed form, over any 16-lane vector.
#pragma once

#include <algorithm>
#include <utility>

#include "kernels/attention/mla_isa.h"
#include "kernels/attention/mla_large_kernel.h"
#include "kernels/attention/mla_small_kernel.h"
#include "kernels/attention/mla_walk.h"
#include "kernels/attention/page_feed.h"
#include "kernels/attention/tile.h"
#include "kernels/base/dtypes.h"

namespace conclave::kernels {

template <class O>
struct MlaKernel {
  using V = typename O::V;

  template <TileLanes L, class Feed>
  static void Attend(const MlaSplitParams& p, const float* kv, int64_t stride, int64_t begin,
                     int tokens, Feed& feed) {
    const int width = p.shape.latent + p.shape.rope;
    for (int head = 0; head < p.heads; head += kTileLanes) {
      const TileParams tile{.keys = kv,
                            .values = kv,
                            .stride = stride,
                            .tokens = tokens,
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

  static void RunSmall(const MlaSplitParams& p) {
    using Small = MlaSmallKernel<O>;
    for (int64_t begin = p.span.begin; begin < p.span.end; begin += kMlaPageTokens) {
      int tokens = 0, next_tokens = 0, unused = 0;
      const uint8_t* page = MlaWalk::Later(p, begin, 0, &tokens);
      const uint8_t* next = MlaWalk::Later(p, begin, 1, &next_tokens);
      Small::Page(p, page, tokens, begin == p.span.begin, {Small::Values(next), next_tokens},
                  MlaWalk::Later(p, begin, 2, &unused));
    }
  }

  static void RunLarge(const MlaSplitParams& p) {
    using Large = MlaLargeKernel<O>;
    constexpr int64_t kPageBytes = 2 * Large::kPageValues;
    bool fresh = p.pages->ready == nullptr;
    for (int64_t begin = p.span.begin; begin < p.span.end; begin += kMlaPageTokens) {
      int tokens = 0, next_tokens = 0, unused = 0;
      const uint8_t* page = MlaWalk::Later(p, begin, 0, &tokens);
      const uint8_t* next = MlaWalk::Later(p, begin, 1, &next_tokens);
      const uint8_t* far = MlaWalk::Later(p, begin, 2, &unused);
      if (tokens < kMlaPageTokens) {
        float* floats = p.pages->buffer + kMlaPageTokens * Large::kWidth;
        PageCopy<O>::Run(p.shape, page, tokens, floats, Large::kWidth, true);
        auto feed = FetchFeed<2>::Of(next, 0, next_tokens * p.shape.TokenBytes());
        Attend<TileLanes::kSixteen>(p, floats, Large::kWidth, begin, tokens, feed);
        fresh = false;
        continue;
      }
      const uint8_t* near = next != nullptr ? next : page;
      Large::Page(p, page, begin == p.span.begin, next_tokens == kMlaPageTokens ? next : nullptr,
                  fresh ? near : near + kPageBytes / 2, fresh ? 64 : 32,
                  far != nullptr ? far : page);
      fresh = false;
    }
  }

  template <TileLanes L>
  static void RunTurned(const MlaSplitParams& p) {
    MlaPages& pages = *p.pages;
    const int width = p.shape.latent + p.shape.rope;
    const int64_t stride = MlaPageStride(p.shape), page_floats = kMlaPageTokens * stride;
    if constexpr (L == TileLanes::kEightQuads && O::kManyRegisters) {
      if (MlaSplitOrder(p.shape)) return RunSmall(p);
    } else if constexpr (O::kManyRegisters) {
      if (MlaLargeKernel<O>::Serves(p)) return RunLarge(p);
    }
    const bool fed = MlaSplitOrder(p.shape) && stride == width;
    for (int64_t begin = p.span.begin; begin < p.span.end; begin += kMlaPageTokens) {
      int tokens = 0, later_tokens = 0, unused = 0;
      const uint8_t* page = MlaWalk::Later(p, begin, 0, &tokens);
      const uint8_t* later = MlaWalk::Later(p, begin, 1, &later_tokens);
      const uint8_t* ahead = MlaWalk::Later(p, begin, 2, &unused);
      float* current = pages.buffer + pages.current * page_floats;
      float* other = pages.buffer + (1 - pages.current) * page_floats;
      if (pages.ready != page || pages.ready_tokens < tokens)
        PageCopy<O>::Run(p.shape, page, tokens, current, stride, MlaSplitOrder(p.shape));
      pages.ready = nullptr;
      if (!fed || later == nullptr) {
        auto feed = FetchFeed<2>::Of(later, 0, later_tokens * p.shape.TokenBytes());
        Attend<L>(p, current, stride, begin, tokens, feed);
        continue;
      }
      PageFeed<O> feed{.from = reinterpret_cast<const uint16_t*>(later),
                       .to = other,
                       .ahead = ahead != nullptr ? ahead : page,
                       .steps = static_cast<int64_t>(later_tokens) * width / 32};
      Attend<L>(p, current, stride, begin, tokens, feed);
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
      const uint8_t* page = MlaWalk::Page(p, p.span, begin / kMlaPageTokens);
      int tokens = 0;
      const uint8_t* later = MlaWalk::Later(p, begin, 1, &tokens);
      auto feed = FetchFeed<4>::Of(later, 0, tokens * p.shape.TokenBytes());
      Attend<L>(p, reinterpret_cast<const float*>(page), p.shape.latent + p.shape.rope, begin,
                MlaWalk::Tokens(p.span, begin), feed);
    }
  }

  static void Run(const MlaSplitParams& p) {
    if (MlaInQuads(p.heads, p.shape.latent + p.shape.rope)) {
      RunOn<TileLanes::kEightQuads>(p);
    } else {
      RunOn<TileLanes::kSixteen>(p);
    }
  }
};

}  // namespace conclave::kernels
