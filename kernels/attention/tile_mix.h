// Mixtures of a tile's values by its weights: channels in lanes, a chain per query and channel.
#pragma once

#include "kernels/attention/tile_params.h"

namespace conclave::kernels {

template <class O>
struct TileMix {
  using V = typename O::V;

  static constexpr int kManyRows = O::kManyRegisters ? 8 : 2;

  // mix[row][c] = mix[row][c] * keep + sum over tokens of weight * value[c], for R rows and C
  // vectors of channels, of which the last has `lanes`.
  template <int R, int C, int W, bool kWhole, class Feed>
  static void Mix(const TileParams& p, int row, int channel, int lanes, const float* w,
                  const float* keep, Feed& shared_feed) {
    Feed feed = shared_feed;
    const auto load = [&](const float* from) {
      return kWhole ? V::Load(from) : O::LoadFirst(from, lanes);
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
          O::StoreFirst(acc[r][c], to, lanes);
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
    if constexpr (O::kManyRegisters) {
      for (; row + 2 <= p.rows; row += 2)
        Mix<2, C, W, kWhole>(p, row, channel, lanes, w, keep, none);
    }
    for (; row < p.rows; ++row) Mix<1, C, W, kWhole>(p, row, channel, lanes, w, keep, none);
  }

  template <int W, class Feed>
  static void All(const TileParams& p, const float* w, const float* keep, Feed& feed) {
    constexpr int kMany = O::kManyRegisters ? 3 : 2;
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
};

}  // namespace conclave::kernels
