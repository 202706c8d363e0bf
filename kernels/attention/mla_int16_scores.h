// Scores of a page of fixed-point latents: queries in lanes, a token's codes are broadcast as they
// lie in the cache.
#pragma once

#include "kernels/attention/mla_int16.h"
#include "kernels/attention/mla_int16_rope.h"
#include "kernels/attention/tile_params.h"

namespace conclave::kernels {

template <class O>
struct Int16Scores {
  using V = typename O::V;
  using Ints = typename O::Ints;
  using Rope = Int16Rope<O>;

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
    const int rope = R > 0 ? R : shape.rope;
    float* keys = page.rope_floats;
    for (int j = 0; j < J; ++j)
      Rope::template Turn<R>(page.rope + (token + j) * page.token_bytes, rope, keys + j * rope);
    const int64_t stride = S > 0 ? S : page.stride;
    const int16_t* codes = page.codes + token * stride;
    if constexpr (L == TileLanes::kEightQuads) {
      Rope::template OfEight<J>(keys, rope, q.rope, out);
      LatentOfEight<J>(codes, stride, shape.MixWidth(), q, fetch, out);
    } else {
      Rope::template OfSixteen<J / 2>(keys, rope, q.rope, out);
      Rope::template OfSixteen<J / 2>(keys + J / 2 * rope, rope, q.rope, out + J / 2 * kTileLanes);
      LatentOfSixteen<J>(codes, stride, shape.MixWidth(), q, fetch, out);
    }
  }

  // Adds what the codes give to the rope parts in `out`.
  template <int J>
  [[gnu::always_inline]] static inline void LatentOfSixteen(const int16_t* codes, int64_t stride,
                                                            int width, const Int16Query& query,
                                                            PageFetch& shared_fetch, float* out) {
    PageFetch fetch = shared_fetch;
    const int16_t* q = query.codes;
    Ints acc[J];
#pragma GCC unroll 24
    for (int j = 0; j < J; ++j) acc[j] = O::ZeroInts();
    for (int c = 0; c < width; c += 2, q += 2 * kTileLanes) {
      const Ints x = O::LoadInts(q);
      fetch.Step();
#pragma GCC unroll 24
      for (int j = 0; j < J; ++j) acc[j] = O::DotTwo(acc[j], codes + j * stride + c, x);
    }
    const V factor = V::Load(query.factor);
#pragma GCC unroll 24
    for (int j = 0; j < J; ++j) {
      float* to = out + j * kTileLanes;
      V::Fma(O::ToFloat(acc[j]), factor, V::Load(to)).Store(to);
    }
    shared_fetch = fetch;
  }

  template <int J>
  [[gnu::always_inline]] static inline void LatentOfEight(const int16_t* codes, int64_t stride,
                                                          int width, const Int16Query& query,
                                                          PageFetch& shared_fetch, float* out) {
    PageFetch fetch = shared_fetch;
    const int16_t* q = query.codes;
    Ints acc[J];
#pragma GCC unroll 24
    for (int j = 0; j < J; ++j) acc[j] = O::ZeroInts();
    for (int c = 0; c < width; c += 4, q += 2 * kTileLanes) {
      const Ints x = O::LoadInts(q);
      fetch.Step();
#pragma GCC unroll 24
      for (int j = 0; j < J; ++j) acc[j] = O::Dot(acc[j], O::SetFour(codes + j * stride + c), x);
    }
    const V factor = V::Load(query.factor);
#pragma GCC unroll 24
    for (int j = 0; j < J; j += 2) {
      float* to = out + j * 8;
      V::Fma(O::ToFloat(O::PairSums(acc[j], acc[j + 1])), factor, V::Load(to)).Store(to);
    }
    shared_fetch = fetch;
  }
};

}  // namespace conclave::kernels
