// Attention of up to 16 queries to up to 64 tokens, with the online softmax: the one inner loop of
// latent attention, over any 16-lane vector. For queries in lanes, a key value is broadcast into
// one multiply-add per 16 queries, and a query load is shared by all tokens of a block; for the
// mixture a lane is a channel, so that a value load is shared by all queries of a block.
//
// Order (law 1): a score is one chain of multiply-adds along the width (of 8 queries
// four chains, every fourth channel each, summed in pairs); a mixture is one chain along the
// tokens. How tokens and queries are blocked shows in neither.
#pragma once

#include <cstdint>

namespace conclave::kernels {

inline constexpr int kTileTokens = 64;
inline constexpr int kTileLanes = 16;
// Strides of keys that are fast; memory made for the tile should have the next one.
inline constexpr int kTileStrides[] = {160, 192, 320, 576};
constexpr int TileStride(int width) {
  for (const int stride : kTileStrides)
    if (width <= stride) return stride;
  return (width + 31) / 32 * 32;
}

// 8 queries: lanes are (query, channel % 4), 4 queries a vector, so that a load of a key serves two
// multiply-adds; a vector of weights is two tokens.
enum class TileLanes { kSixteen, kEightQuads };

struct TileParams {
  const float* keys = nullptr;    // [tokens, stride], the first `width` of each are the key
  const float* values = nullptr;  // [tokens, stride], the first `channels` of each
  int64_t stride = 0;
  int tokens = 0;            // 1 .. kTileTokens
  int width = 0;             // a multiple of 4 for kEightQuads
  int channels = 0;          // of the mixture
  const float* q = nullptr;  // [width][16], or [width / 4][8][4]; times log2(e) * softmax scale
  int rows = 0;              // queries in use
  bool first = false;        // nothing was attended before: the state is written, not read
  // Causal: query i sees token t when t <= visible + i. At least kTileTokens: all see all.
  int visible = kTileTokens;
  // State of 16 lanes each: largest score in units of log2, sum of weights; mixture [rows,
  // channels].
  float* max = nullptr;
  float* sum = nullptr;
  float* mix = nullptr;
  int64_t mix_stride = 0;
};

// Work done between the multiply-adds of a mixture, a step per token, which leave load and store
// ports idle. Held by value in registers: what a score's loop cannot afford.
struct NoFeed {
  static constexpr bool kActive = false;
};

}  // namespace conclave::kernels
