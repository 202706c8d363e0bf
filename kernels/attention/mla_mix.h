// Mixtures of 8 heads straight from a bf16 cache in split order, for instruction sets with 32
// registers: lanes are channels, a chain per head and channel, along the tokens.
#pragma once

#include "kernels/attention/tile_params.h"

namespace conclave::kernels {

inline constexpr int kMixRows = 8;
// Rows whose weight the multiply-adds broadcast themselves: fewer instructions, of which a core has
// half as many to give where a neighbour shares it; with all rows the load ports would not suffice.
inline constexpr int kMixFolded = 6;
inline constexpr int kMixChannels = 32;  // at once: 16 even ones, then 16 odd ones

// Fetches a little with every step, evenly: more lines at once than the second-level cache can wait
// for would hold up everything.
struct MixFetch {
  const uint8_t* ahead;
  int64_t bytes;
  [[gnu::always_inline]] inline void Step() {
    __builtin_prefetch(ahead, 0, 2);
    ahead += bytes;
  }
};

struct MixParams {
  int64_t width = 0;  // between tokens, in bf16
  int tokens = 0;
  int rows = 0;                    // at most kMixRows of them are kept
  bool first = false;              // `mix` is written, not read
  const float* weights = nullptr;  // [tokens, W], the first kMixRows of each
  const float* keep = nullptr;     // [kMixRows] what the earlier mixture is worth
  float* mix = nullptr;            // [rows, mix_stride] of these channels
  int64_t mix_stride = 0;
};

template <class O, int W>
struct MlaMix {
  using V = typename O::V;

  template <class Load>
  [[gnu::always_inline]] static inline void Run(const MixParams& p, Load load) {
    V acc[kMixRows][2];
#pragma GCC unroll 8
    for (int r = 0; r < kMixRows; ++r) {
      acc[r][0] = acc[r][1] = V::Zero();
      if (p.first || r >= p.rows) continue;
      const V kept = V::Set1(p.keep[r]);
      acc[r][0] = V::Mul(V::Load(p.mix + r * p.mix_stride), kept);
      acc[r][1] = V::Mul(V::Load(p.mix + r * p.mix_stride + kTileLanes), kept);
    }
    const float* weight = p.weights;
    const int tokens = p.tokens;
    for (int t = 0; t < tokens; ++t, weight += W) {
      V v[2];
      load(v);
#pragma GCC unroll 8
      for (int r = 0; r < kMixFolded; ++r) {
        acc[r][0] = V::FmaAll(weight + r, v[0], acc[r][0]);
        acc[r][1] = V::FmaAll(weight + r, v[1], acc[r][1]);
      }
#pragma GCC unroll 8
      for (int r = kMixFolded; r < kMixRows; ++r) {
        const V x = V::Set1(weight[r]);
        acc[r][0] = V::Fma(x, v[0], acc[r][0]);
        acc[r][1] = V::Fma(x, v[1], acc[r][1]);
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < kMixRows; ++r) {
      if (r >= p.rows) continue;
      acc[r][0].Store(p.mix + r * p.mix_stride);
      acc[r][1].Store(p.mix + r * p.mix_stride + kTileLanes);
    }
  }

  // From the cache; with kKeep what was turned is left in `floats` [tokens, kMixChannels].
  template <bool kKeep>
  static void FromBf16(const MixParams& p, const uint16_t* value, float* floats,
                       MixFetch& shared_fetch) {
    MixFetch fetch = shared_fetch;
    const int64_t width = p.width;
    Run(
        p, [&](V * v) __attribute__((always_inline)) {
          V::DecodeBf16(reinterpret_cast<const uint8_t*>(value), v);
          value += width;
          fetch.Step();
          if constexpr (kKeep) {
            v[0].Store(floats);
            v[1].Store(floats + kTileLanes);
            floats += kMixChannels;
          }
        });
    shared_fetch = fetch;
  }

  static void FromFloats(const MixParams& p, const float* floats) {
    Run(
        p, [&](V * v) __attribute__((always_inline)) {
          v[0] = V::Load(floats);
          v[1] = V::Load(floats + kTileLanes);
          floats += kMixChannels;
        });
  }
};

}  // namespace conclave::kernels
