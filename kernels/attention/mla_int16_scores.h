// Scores of a page of fixed-point latents: queries in lanes, a token's codes are broadcast as they
// lie in the cache.
#pragma once

#include "kernels/attention/mla_int16.h"
#include "kernels/attention/mla_int16_rope.h"
#include "kernels/attention/page_feed.h"
#include "kernels/attention/tile_params.h"

namespace conclave::kernels {

template <class O>
struct Int16Scores {
  using V = typename O::V;
  using Ints = typename O::Ints;

  // How many tokens a block takes: with as many accumulators, loads and dot products are balanced.
  // Blocks end within the page; scores behind its last token are of no meaning.
  static int BlockTokens(int left) {
    if constexpr (!O::kManyRegisters) return 4;
    return left > 16 ? 24 : left > 8 ? 16 : left > 4 ? 8 : 4;
  }
  static int Blocks(int tokens) {
    int blocks = 0;
    for (int t = 0; t < tokens; t += BlockTokens(tokens - t)) ++blocks;
    return blocks;
  }

  // Scores of all tokens: out [tokens, 16], or [tokens, 8] for up to 8 heads.
  template <TileLanes L>
  static void Run(const Int16Page& page, const MlaCacheShape& shape, const Int16Query& q,
                  PageFetch& fetch, float* out) {
    const auto run = page.stride == 576 && shape.rope == 64   ? Blocks<L, 576, 64>
                     : page.stride == 160 && shape.rope == 32 ? Blocks<L, 160, 32>
                                                              : Blocks<L, 0, 0>;
    run(page, shape, q, fetch, out);
  }

 private:
  struct NoFetch {
    void Step() const {}
  };
  static constexpr int LanesOf(TileLanes lanes) {
    return lanes == TileLanes::kEightQuads ? 8 : kTileLanes;
  }

  // A stride S and a rotary part R known to the compiler make the tokens' addresses one pointer.
  template <TileLanes L, int S, int R>
  static void Blocks(const Int16Page& page, const MlaCacheShape& shape, const Int16Query& q,
                     PageFetch& fetch, float* out) {
    for (int t = 0; t < page.tokens;) {
      const int count = BlockTokens(page.tokens - t);
      float* to = out + t * LanesOf(L);
      if constexpr (O::kManyRegisters) {
        if (count == 24) Block<L, 24, S, R>(page, shape, q, t, fetch, to);
        if (count == 16) Block<L, 16, S, R>(page, shape, q, t, fetch, to);
        if (count == 8) Block<L, 8, S, R>(page, shape, q, t, fetch, to);
      }
      if (count == 4) Block<L, 4, S, R>(page, shape, q, t, fetch, to);
      t += count;
    }
  }

  template <TileLanes L, int J, int S, int R>
  static void Block(const Int16Page& page, const MlaCacheShape& shape, const Int16Query& q,
                    int token, PageFetch& fetch, float* out) {
    const int64_t stride = S > 0 ? S : page.stride, rope_stride = S > 0 ? S : page.rope_stride;
    const int16_t* rope = page.rope + token * rope_stride;
    float scales[J];
#pragma GCC unroll 24
    for (int j = 0; j < J; ++j) scales[j] = Int16RopeScale(rope + j * rope_stride);
    RopePart<L, J>(rope, rope_stride, R > 0 ? R : shape.rope, scales, q, out);
    AddLatents<L, J>(page.codes + token * stride, stride, shape.MixWidth(), q, fetch, out);
  }

  // acc[j]: the products with token j, with kEightQuads in two parts for every head.
  template <TileLanes L, int J, class Fetch>
  [[gnu::always_inline]] static inline void Sums(const int16_t* codes, int64_t stride, int width,
                                                 const int16_t* q, Fetch& fetch, Ints* acc) {
    constexpr int kStep = L == TileLanes::kEightQuads ? 4 : 2;
#pragma GCC unroll 24
    for (int j = 0; j < J; ++j) acc[j] = O::ZeroInts();
    for (int c = 0; c < width; c += kStep, q += 2 * kTileLanes) {
      const Ints x = O::LoadInts(q);
      fetch.Step();
#pragma GCC unroll 24
      for (int j = 0; j < J; ++j) {
        const int16_t* at = codes + j * stride + c;
        acc[j] = kStep == 4 ? O::Dot(acc[j], O::SetFour(at), x) : O::DotTwo(acc[j], at, x);
      }
    }
  }

  template <TileLanes L, int J>
  [[gnu::always_inline]] static inline void RopePart(const int16_t* codes, int64_t stride, int rope,
                                                     const float* scales, const Int16Query& q,
                                                     float* out) {
    Ints acc[J];
    NoFetch none;
    Sums<L, J>(codes, stride, rope, q.rope, none, acc);
    const V factor = V::Load(q.rope_factor);
    if constexpr (L == TileLanes::kEightQuads) {
#pragma GCC unroll 24
      for (int j = 0; j < J; j += 2) {
        const V sums = O::ToFloat(O::PairSums(acc[j], acc[j + 1]));
        V::Mul(O::ScaleHalves(sums, scales + j), factor).Store(out + j * 8);
      }
    } else {
#pragma GCC unroll 24
      for (int j = 0; j < J; ++j)
        V::Mul(O::ScaleAll(O::ToFloat(acc[j]), scales + j), factor).Store(out + j * kTileLanes);
    }
  }

  // Adds what the latents give to the rope parts in `out`.
  template <TileLanes L, int J>
  [[gnu::always_inline]] static inline void AddLatents(const int16_t* codes, int64_t stride,
                                                       int width, const Int16Query& q,
                                                       PageFetch& shared_fetch, float* out) {
    PageFetch fetch = shared_fetch;
    Ints acc[J];
    Sums<L, J>(codes, stride, width, q.codes, fetch, acc);
    const V factor = V::Load(q.factor);
    constexpr int kTogether = L == TileLanes::kEightQuads ? 2 : 1;
#pragma GCC unroll 24
    for (int j = 0; j < J; j += kTogether, out += kTileLanes) {
      const Ints sums = kTogether == 2 ? O::PairSums(acc[j], acc[j + 1]) : acc[j];
      V::Fma(O::ToFloat(sums), factor, V::Load(out)).Store(out);
    }
    shared_fetch = fetch;
  }
};

}  // namespace conclave::kernels
