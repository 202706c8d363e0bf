// Prompt attention over the operations of any tile_ops_*.h.
#pragma once

#include "kernels/attention/mla_prompt.h"
#include "kernels/attention/page_feed.h"
#include "kernels/attention/tile.h"

namespace conclave::kernels {

template <class O>
struct MlaPromptKernel {
  static void Run(const MlaPromptParams& p) {
    NoFeed none;
    for (int begin = 0; begin < p.tokens; begin += kMlaPageTokens) {
      const int64_t page = p.token_begin + begin;
      const int tokens = p.tokens - begin < kMlaPageTokens ? p.tokens - begin : kMlaPageTokens;
      for (int row = 0; row < p.rows; row += kMlaPromptRows) {
        const int rows = p.rows - row < kMlaPromptRows ? p.rows - row : kMlaPromptRows;
        const int64_t visible = p.position + row - page;  // to the first row of the block
        if (visible + rows - 1 < 0) continue;
        const int64_t seen = visible + rows < tokens ? visible + rows : tokens;
        const TileParams tile{
            .keys = p.kv + begin * p.stride,
            .values = p.kv + begin * p.stride + p.width,
            .stride = p.stride,
            .tokens = static_cast<int>(seen),
            .width = p.width,
            .channels = p.channels,
            .q = p.q + static_cast<int64_t>(row) * p.width,
            .rows = rows,
            .first = page == 0,
            .visible = static_cast<int>(visible < kMlaPageTokens ? visible : kMlaPageTokens),
            .max = p.max + row,
            .sum = p.sum + row,
            .mix = p.mix + row * p.mix_stride,
            .mix_stride = p.mix_stride};
        Tile<O>::template Attend<TileLanes::kSixteen>(tile, none);
      }
    }
  }

  static void DecodePage(const MlaDecodeParams& p) {
    PageCopy<O>::Run(p.shape, p.page, p.tokens, p.gain, p.out, p.out_stride);
  }
};

}  // namespace conclave::kernels
