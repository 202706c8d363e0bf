// One split of latent attention in the absorbed form, over any 16-lane vector.
#pragma once

#include "kernels/attention/mla_int16_kernel.h"
#include "kernels/attention/mla_isa.h"
#include "kernels/attention/mla_walk.h"
#include "kernels/attention/page_feed.h"
#include "kernels/attention/tile.h"

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

  // Types other than float32 are decoded, a page at a time.
  template <TileLanes L>
  static void RunOn(const MlaSplitParams& p) {
    const bool decode = p.shape.type != KvType::kF32;
    const int width = p.shape.latent + p.shape.rope;
    const int64_t stride = decode ? TileStride(width) : width;
    for (int64_t begin = p.span.begin; begin < p.span.end; begin += kMlaPageTokens) {
      int tokens = 0, next_tokens = 0;
      const uint8_t* page = MlaWalk::Later(p, begin, 0, &tokens);
      const uint8_t* next = MlaWalk::Later(p, begin, 1, &next_tokens);
      if (decode) PageCopy<O>::Run(p.shape, page, tokens, nullptr, p.scratch, stride);
      auto feed = FetchFeed<4>::Of(next, 0, next_tokens * p.shape.TokenBytes());
      Attend<L>(p, decode ? p.scratch : reinterpret_cast<const float*>(page), stride, begin, tokens,
                feed);
    }
  }

  static void Run(const MlaSplitParams& p) {
    if (p.shape.type == KvType::kInt16) return MlaInt16Kernel<O>::Run(p);
    if (MlaInQuads(p.heads, p.shape.latent + p.shape.rope)) {
      RunOn<TileLanes::kEightQuads>(p);
    } else {
      RunOn<TileLanes::kSixteen>(p);
    }
  }
};

}  // namespace conclave::kernels
