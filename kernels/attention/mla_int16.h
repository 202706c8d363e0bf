// Latent attention to latents in 16-bit fixed point (KvType::kInt16): the format and the
// arithmetic.
//
// A cached token is [latent] int16 codes of n, the RMS-normalised latent before the norm's weight,
// then [rope] int16 codes with a scale of the token (mla_int16_rope.h). ||n|| <= sqrt(latent), so
// the step of latents is the same for all: MlaInt16Step(latent); code = n / step to the nearest,
// ties to even, within +-32767. The norm's weight, the `gain`, is multiplied into queries and into
// mixtures.
//
// Order (law 1). Sums of codes are exact and never overflow: in 512 channels both operands have
// a norm of at most 2^15, so that no sum, of a part either, exceeds 2^30; with more channels or
// other codes (they may come from anywhere) sums are modulo 2^32, in every instruction set.
//   query   x = q_latent * gain, or q_rope; norm of each: squares in 16 interleaved chains of
//           multiply-adds, then in halves, at least 2^-40; codes = x * (32700 / norm) to the
//           nearest; latent factor = softmax scale * log2(e) * step * (norm / 32700), rope factor
//           the same without the step
//   score   fma(float(sum over the latent), latent factor, rope part), rope part = float(sum over
//           the rotary part) * scale of the token * rope factor, from left to right
//   page    weights as attention/tile_weights.h makes them, s = their sum; codes = weight *
//           (32000 / s) to the nearest (s at least 2^-96), so that their sum is 32032 at most; mix
//           = fma(float(sum over the page's tokens), s * step / sum of codes, mix * keep): a page
//           gives a mean of its tokens whatever the rounding
// What blocks of tokens, heads and channels are computed together shows in nothing.
#pragma once

#include "kernels/attention/mla.h"

namespace conclave::kernels {

inline constexpr float kInt16QueryNorm = 32700.0f;
inline constexpr float kInt16LeastNorm = 0x1p-40f;
inline constexpr float kInt16WeightSum = 32000.0f;
inline constexpr float kInt16LeastSum = 0x1p-96f;

// Queries and factors as they lie in MlaQueryParams::out. More than 8 heads: a block per 16 heads
// of [channels / 2][16 heads][2] codes, first of latents, then of the rotary part, [16] latent
// factors, [16] rope factors. Up to 8 heads: [channels / 4][8 heads][4] codes, the 8 factors of
// both kinds twice.
struct Int16Query {
  const int16_t* codes = nullptr;
  const int16_t* rope = nullptr;
  const float* factor = nullptr;
  const float* rope_factor = nullptr;

  static constexpr int64_t BlockFloats(int heads, const MlaCacheShape& shape) {
    return (shape.MixWidth() + shape.rope) / 2 * (heads <= 8 ? 8 : 16) + 32;
  }
  // Of heads head .. head + 15.
  [[gnu::always_inline]] static inline Int16Query Of(const float* q, int heads, int head,
                                                     const MlaCacheShape& shape) {
    const float* block = q + head / 16 * BlockFloats(heads, shape);
    const float* rope = block + shape.MixWidth() / 2 * (heads <= 8 ? 8 : 16);
    const float* factors = block + BlockFloats(heads, shape) - 32;
    return {reinterpret_cast<const int16_t*>(block), reinterpret_cast<const int16_t*>(rope),
            factors, factors + 16};
  }
};

// One page as the kernel reads it.
struct Int16Page {
  const int16_t* codes = nullptr;  // [tokens, stride], MixWidth() of each
  int64_t stride = 0;
  const int16_t* rope = nullptr;  // [tokens, rope_stride]
  int64_t rope_stride = 0;
  int tokens = 0;
};

}  // namespace conclave::kernels
