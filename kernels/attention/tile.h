// Attends one tile, over the operations of any tile_ops_*.h.
#pragma once

#include <cstring>

#include "kernels/attention/tile_mix.h"
#include "kernels/attention/tile_params.h"
#include "kernels/attention/tile_scores.h"
#include "kernels/attention/tile_weights.h"

namespace conclave::kernels {

template <class O>
struct Tile {
  template <TileLanes L, class Feed>
  static void Attend(const TileParams& p, Feed& feed) {
    alignas(64) float weights[(kTileTokens + 1) * kTileLanes], keep[kTileLanes];
    if (p.first) {
      for (int row = 0; row < p.rows; ++row)
        std::memset(p.mix + row * p.mix_stride, 0, sizeof(float) * p.channels);
    }
    TileScores<O>::template All<L>(p, weights);
    TileWeights<O>::template Run<L>(p, weights, keep);
    TileMix<O>::template All<L == TileLanes::kEightQuads ? 8 : kTileLanes>(p, weights, keep, feed);
  }
};

}  // namespace conclave::kernels
