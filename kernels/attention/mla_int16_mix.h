// Mixtures of a page of fixed-point latents: channels in lanes, two tokens a dot product. The codes
// of two tokens are woven into pairs once for all heads.
#pragma once

#include "kernels/attention/mla_int16.h"
#include "kernels/attention/page_feed.h"
#include "kernels/attention/tile_params.h"

namespace conclave::kernels {

inline constexpr int kInt16Pairs = kMlaPageTokens / 2;  // of tokens in a page

// Weights of a page as codes.
struct Int16Weights {
  alignas(64) int16_t codes[kInt16Pairs * 2 * kTileLanes];  // [token pairs][16 or 8 heads][2]
  alignas(64) float factor[kTileLanes];                     // of what the codes' sums give
  alignas(64) float keep[kTileLanes];                       // of the mixture so far
};

template <class O, int W>  // W heads' weights in a row
struct Int16Mix {
  using V = typename O::V;
  using Ints = typename O::Ints;
  static constexpr int kRows = O::kManyRegisters ? 8 : 2;  // heads at once
  // Heads whose weights the dot products broadcast themselves: fewer instructions, but with all of
  // 16 heads the load ports would not suffice.
  static constexpr int kFolded = !O::kManyRegisters ? 0 : W == 8 ? 8 : 6;
  static constexpr int kChannels = 2 * kTileLanes;  // at once

  // mix [rows, stride] of the heads `rows` goes over; `first`: it is written, not read.
  static void Run(const Int16Page& page, int width, const Int16Weights& weights, int rows,
                  bool first, PageFetch& fetch, float* mix) {
    alignas(64) int16_t woven[kInt16Pairs * 2 * kChannels];
    for (int c = 0; c < width; c += kChannels) {
      if (rows <= kRows) {
        Rows<true, false>(page, c, woven, weights, 0, rows, first, fetch, mix + c, width);
        continue;
      }
      Rows<true, true>(page, c, woven, weights, 0, rows, first, fetch, mix + c, width);
      for (int row = kRows; row < rows; row += kRows)
        Rows<false, false>(page, c, woven, weights, row, rows, first, fetch, mix + c, width);
    }
  }

 private:
  // kRows heads from `row` on, 32 channels; from the cache, or from what was kept in `woven`.
  template <bool kCached, bool kKeep>
  static void Rows(const Int16Page& page, int channel, int16_t* woven, const Int16Weights& weights,
                   int row, int rows, bool first, PageFetch& shared_fetch, float* mix,
                   int64_t stride) {
    PageFetch fetch = shared_fetch;
    Ints acc[kRows][2];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) acc[r][0] = acc[r][1] = O::ZeroInts();
    const int16_t* weight = weights.codes + 2 * row;
    const int16_t* codes = page.codes + channel;
    const int64_t token = page.stride;
    for (int left = page.tokens; left > 0; left -= 2, weight += 2 * W) {
      Ints v[2];
      if constexpr (kCached) {
        O::Weave(codes, codes + token, v);
        codes += 2 * token;
        fetch.Step();
      } else {
        v[0] = O::LoadInts(woven);
        v[1] = O::LoadInts(woven + kChannels);
      }
      if constexpr (kKeep) {
        O::StoreInts(v[0], woven);
        O::StoreInts(v[1], woven + kChannels);
      }
      woven += 2 * kChannels;
#pragma GCC unroll 8
      for (int r = 0; r < kFolded; ++r) {
        acc[r][0] = O::DotTwo(acc[r][0], weight + 2 * r, v[0]);
        acc[r][1] = O::DotTwo(acc[r][1], weight + 2 * r, v[1]);
      }
#pragma GCC unroll 8
      for (int r = kFolded; r < kRows; ++r) {
        const Ints x = O::SetTwo(weight + 2 * r);
        acc[r][0] = O::Dot(acc[r][0], x, v[0]);
        acc[r][1] = O::Dot(acc[r][1], x, v[1]);
      }
    }
    mix += row * stride;
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r, mix += stride) {
      if (row + r >= rows) break;
      const V factor = V::Set1(weights.factor[row + r]), keep = V::Set1(weights.keep[row + r]);
#pragma GCC unroll 2
      for (int i = 0; i < 2; ++i) {
        float* to = mix + i * kTileLanes;
        const V before = first ? V::Zero() : V::Mul(V::Load(to), keep);
        V::Fma(O::ToFloat(acc[r][i]), factor, before).Store(to);
      }
    }
    shared_fetch = fetch;
  }
};

}  // namespace conclave::kernels
