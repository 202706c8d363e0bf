// Attention of up to 16 queries to up to 64 tokens, with the online softmax: the one inner loop of
// latent attention, over any 16-lane vector. For queries in lanes, a key value is broadcast into
// one multiply-add per 16 queries, and a query load is shared by all tokens of a block; for the
// mixture a lane is a channel, so that a value load is shared by all queries of a block.
//
// Order (law 1): a score is one chain of multiply-adds along the width (two chains, even and odd
// channels, where 8 queries share 16 lanes); a mixture is one chain along the tokens. How tokens
// and queries are blocked shows in neither.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/base/exp.h"

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

// 8 queries: lanes are (query, channel parity), and a vector of weights is two tokens.
enum class TileLanes { kSixteen, kEightPairs };

struct TileParams {
  const float* keys = nullptr;    // [tokens, stride], the first `width` of each are the key
  const float* values = nullptr;  // [tokens, stride], the first `channels` of each
  int64_t stride = 0;
  int tokens = 0;            // 1 .. kTileTokens
  int width = 0;             // even for kEightPairs
  int channels = 0;          // of the mixture
  const float* q = nullptr;  // [width][16], or [width / 2][8][2]; times log2(e) * softmax scale
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

template <class V>
struct Tile {
  static constexpr float kInfinity = __builtin_inff();
  static constexpr int kManyRows = V::kManyRegisters ? 8 : 2;

  // Scores of J tokens. A stride S known to the compiler makes the tokens' addresses one pointer;
  // with more it would reload them all the time.
  template <int J, TileLanes L, int S>
  static void Scores(const TileParams& p, int token, float* out) {
    constexpr bool kPairs = L == TileLanes::kEightPairs;
    const int64_t stride = S > 0 ? S : p.stride;
    const float* keys = p.keys + token * stride;
    const int steps = kPairs ? p.width / 2 : p.width;
    V acc[J];
#pragma GCC unroll 24
    for (int j = 0; j < J; ++j) acc[j] = V::Zero();
    for (int i = 0; i < steps; ++i) {
      const V q = V::Load(p.q + i * kTileLanes);
#pragma GCC unroll 24
      for (int j = 0; j < J; ++j) {
        if constexpr (kPairs) {
          acc[j] = V::Fma(V::SetPair(keys + j * stride + 2 * i), q, acc[j]);
        } else {
          acc[j] = V::Fma(V::Set1(keys[j * stride + i]), q, acc[j]);
        }
      }
    }
    if constexpr (kPairs) {
#pragma GCC unroll 24
      for (int j = 0; j < J; j += 2)
        V::PairSums(acc[j], acc[j + 1 < J ? j + 1 : j]).Store(out + (token + j) * 8);
    } else {
#pragma GCC unroll 24
      for (int j = 0; j < J; ++j) acc[j].Store(out + (token + j) * kTileLanes);
    }
  }

  template <int J, TileLanes L, int S>
  static int ScoreBlocks(const TileParams& p, int token, float* out) {
    for (; token + J <= p.tokens; token += J) Scores<J, L, S>(p, token, out);
    return token;
  }

  template <TileLanes L, int S>
  static void ScoresOf(const TileParams& p, float* out) {
    int t = 0;
    if constexpr (V::kManyRegisters) {
      t = ScoreBlocks<24, L, S>(p, t, out);
      t = ScoreBlocks<16, L, S>(p, t, out);
      t = ScoreBlocks<8, L, S>(p, t, out);
    }
    t = ScoreBlocks<4, L, S>(p, t, out);
    t = ScoreBlocks<2, L, S>(p, t, out);
    ScoreBlocks<1, L, S>(p, t, out);
  }

  template <TileLanes L>
  static void AllScores(const TileParams& p, float* out) {
    if constexpr (V::kManyRegisters) {
      if (p.stride == kTileStrides[0]) return ScoresOf<L, kTileStrides[0]>(p, out);
      if (p.stride == kTileStrides[1]) return ScoresOf<L, kTileStrides[1]>(p, out);
      if (p.stride == kTileStrides[2]) return ScoresOf<L, kTileStrides[2]>(p, out);
      if (p.stride == kTileStrides[3]) return ScoresOf<L, kTileStrides[3]>(p, out);
    }
    ScoresOf<L, 0>(p, out);
  }

  // Scores become weights; `keep` is what the earlier state is worth now.
  template <TileLanes L>
  static void Weights(const TileParams& p, float* w, float* keep) {
    constexpr bool kPairs = L == TileLanes::kEightPairs;
    const int vectors = kPairs ? (p.tokens + 1) / 2 : p.tokens;
    const bool causal = p.tokens - 1 > p.visible, half = kPairs && p.tokens % 2 != 0;
    const int last = vectors - 1;
    const auto shift = [&](int token) {  // lanes below it do not see the token
      const int lanes = token - p.visible;
      return lanes < 0 ? 0 : lanes > kTileLanes ? kTileLanes : lanes;
    };
    if (half) {
      const V low = V::SwapHalves(V::Load(kTileMasks.score + 8));
      V::Min(V::Load(w + last * kTileLanes), low).Store(w + last * kTileLanes);
    }
    if (causal) {
      for (int i = 0; i < vectors; ++i) {
        const V mask = V::Load(kTileMasks.score + kTileLanes - shift(i));
        V::Min(V::Load(w + i * kTileLanes), mask).Store(w + i * kTileLanes);
      }
    }
    V before = V::Set1(-kInfinity), sum = V::Zero();
    if (!p.first) {
      before = V::Load(p.max);
      sum = V::Load(p.sum);
    }
    V max = before;
    for (int i = 0; i < vectors; ++i) max = V::Max(max, V::Load(w + i * kTileLanes));
    if constexpr (kPairs) max = V::Max(max, V::SwapHalves(max));
    const V kept = p.first ? V::Zero() : Exp2Vec(V::Sub(before, max));
    V page = V::Zero();
    for (int i = 0; i < vectors; ++i) {
      V e = Exp2Vec(V::Sub(V::Load(w + i * kTileLanes), max));
      if (causal) e = V::Mul(e, V::Load(kTileMasks.weight + kTileLanes - shift(i)));
      if (half && i == last) e = V::Mul(e, V::SwapHalves(V::Load(kTileMasks.weight + 8)));
      e.Store(w + i * kTileLanes);
      page = V::Add(page, e);
    }
    if constexpr (kPairs) page = V::Add(page, V::SwapHalves(page));
    max.Store(p.max);
    V::Fma(sum, kept, page).Store(p.sum);
    kept.Store(keep);
  }

  // mix[row][c] = mix[row][c] * keep + sum over tokens of weight * value[c], for R rows and C
  // vectors of channels, of which the last has `lanes`.
  template <int R, int C, int W, bool kWhole, class Feed>
  static void Mix(const TileParams& p, int row, int channel, int lanes, const float* w,
                  const float* keep, Feed& shared_feed) {
    Feed feed = shared_feed;
    const auto load = [&](const float* from) {
      return kWhole ? V::Load(from) : V::LoadFirst(from, lanes);
    };
    const int64_t stride = p.stride, mix_stride = p.mix_stride;
    const int tokens = p.tokens;
    V acc[R][C];
    float* mix = p.mix + row * mix_stride + channel;
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c)
        acc[r][c] = V::Mul(load(mix + r * mix_stride + c * kTileLanes), V::Set1(keep[row + r]));
    }
    const float* value = p.values + channel;
    const float* weight = w + row;
    for (int t = 0; t < tokens; ++t, value += stride, weight += W) {
      if constexpr (Feed::kActive) feed.Step();
      V v[C];
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) v[c] = load(value + c * kTileLanes);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const V x = V::Set1(weight[r]);
#pragma GCC unroll 8
        for (int c = 0; c < C; ++c) acc[r][c] = V::Fma(x, v[c], acc[r][c]);
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) {
        float* to = mix + r * mix_stride + c * kTileLanes;
        if constexpr (kWhole) {
          acc[r][c].Store(to);
        } else {
          acc[r][c].StoreFirst(to, lanes);
        }
      }
    }
    shared_feed = feed;
  }

  // C vectors of channels for all rows; the feed works in the large blocks.
  template <int C, int W, bool kWhole, class Feed>
  static void MixChannels(const TileParams& p, int channel, const float* w, const float* keep,
                          Feed& feed) {
    const int lanes = kWhole ? kTileLanes : p.channels - channel;
    int row = 0;
    NoFeed none;
    for (; row + kManyRows <= p.rows; row += kManyRows) {
      if constexpr (Feed::kActive) {
        if (feed.left() >= p.tokens) {
          Mix<kManyRows, C, W, kWhole>(p, row, channel, lanes, w, keep, feed);
          continue;
        }
      }
      Mix<kManyRows, C, W, kWhole>(p, row, channel, lanes, w, keep, none);
    }
    if constexpr (V::kManyRegisters) {
      for (; row + 2 <= p.rows; row += 2)
        Mix<2, C, W, kWhole>(p, row, channel, lanes, w, keep, none);
    }
    for (; row < p.rows; ++row) Mix<1, C, W, kWhole>(p, row, channel, lanes, w, keep, none);
  }

  template <int W, class Feed>
  static void AllMix(const TileParams& p, const float* w, const float* keep, Feed& feed) {
    constexpr int kMany = V::kManyRegisters ? 3 : 2;
    int channel = 0;
    for (; channel + kMany * kTileLanes <= p.channels; channel += kMany * kTileLanes)
      MixChannels<kMany, W, true>(p, channel, w, keep, feed);
    if constexpr (kMany > 2) {
      for (; channel + 2 * kTileLanes <= p.channels; channel += 2 * kTileLanes)
        MixChannels<2, W, true>(p, channel, w, keep, feed);
    }
    NoFeed none;
    for (; channel + kTileLanes <= p.channels; channel += kTileLanes)
      MixChannels<1, W, true>(p, channel, w, keep, none);
    if (channel < p.channels) MixChannels<1, W, false>(p, channel, w, keep, none);
  }

  template <TileLanes L, class Feed>
  static void Attend(const TileParams& p, Feed& feed) {
    alignas(64) float weights[(kTileTokens + 1) * kTileLanes], keep[kTileLanes];
    if (p.first) {
      for (int row = 0; row < p.rows; ++row)
        std::memset(p.mix + row * p.mix_stride, 0, sizeof(float) * p.channels);
    }
    AllScores<L>(p, weights);
    Weights<L>(p, weights, keep);
    AllMix<L == TileLanes::kEightPairs ? 8 : kTileLanes>(p, weights, keep, feed);
  }
};

}  // namespace conclave::kernels
