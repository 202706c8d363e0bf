// One split of latent attention over any 16-lane vector.
#pragma once

#include "kernels/attention/mla.h"
#include "kernels/base/dtypes.h"
#include "kernels/base/exp.h"

namespace conclave::kernels {

template <class V>
struct MlaKernel {
  static constexpr int kBlock = V::kAccumulators;

  // Scores of J tokens: chains along the width, one per token.
  template <int J>
  static void Scores(const float* kv, const float* q, int width, V scale, float* out) {
    V acc[J];
    for (int j = 0; j < J; ++j) acc[j] = V::Zero();
    for (int d = 0; d < width; ++d) {
      const V qd = V::Load(q + d * kMlaHeads);
#pragma GCC unroll 8
      for (int j = 0; j < J; ++j)
        acc[j] = V::Fma(V::Set1(kv[static_cast<int64_t>(j) * width + d]), qd, acc[j]);
    }
    for (int j = 0; j < J; ++j) V::Mul(acc[j], scale).Store(out + j * kMlaHeads);
  }

  // mix[c] = mix[c] * keep + sum over tokens of weight * kv[token][c], for C values of c.
  template <int C>
  static void Mix(const float* kv, const float* weights, int tokens, int width, V keep,
                  float* mix) {
    V acc[C];
    for (int c = 0; c < C; ++c) acc[c] = V::Mul(V::Load(mix + c * kMlaHeads), keep);
    for (int t = 0; t < tokens; ++t) {
      const V w = V::Load(weights + t * kMlaHeads);
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c)
        acc[c] = V::Fma(w, V::Set1(kv[static_cast<int64_t>(t) * width + c]), acc[c]);
    }
    for (int c = 0; c < C; ++c) acc[c].Store(mix + c * kMlaHeads);
  }

  static const float* PageAsFloat(const MlaSplitParams& p, const uint8_t* page, int tokens) {
    if (!p.kv_bf16) return reinterpret_cast<const float*>(page);
    const uint16_t* src = reinterpret_cast<const uint16_t*>(page);
    const int64_t count = static_cast<int64_t>(tokens) * (p.latent + p.rope);
    int64_t i = 0;
    for (; i + V::kLanes <= count; i += V::kLanes) V::LoadBf16(src + i).Store(p.page_scratch + i);
    for (; i < count; ++i) p.page_scratch[i] = DecodeBf16(src[i]);
    return p.page_scratch;
  }

  static void Run(const MlaSplitParams& p) {
    const int width = p.latent + p.rope;
    const V scale = V::Set1(p.scale);
    V max = V::Set1(-__builtin_inff()), sum = V::Zero();
    for (int c = 0; c < p.latent; ++c) V::Zero().Store(p.mix + c * kMlaHeads);
    alignas(64) float weights[kMlaPageTokens * kMlaHeads];
    for (int64_t begin = p.token_begin; begin < p.token_end; begin += kMlaPageTokens) {
      const int64_t left = p.token_end - begin;
      const int tokens = left < kMlaPageTokens ? static_cast<int>(left) : kMlaPageTokens;
      const float* kv =
          PageAsFloat(p, p.kv + p.pages[begin / kMlaPageTokens] * p.page_stride, tokens);
      int t = 0;
      for (; t + kBlock <= tokens; t += kBlock)
        Scores<kBlock>(kv + static_cast<int64_t>(t) * width, p.q, width, scale,
                       weights + t * kMlaHeads);
      for (; t < tokens; ++t)
        Scores<1>(kv + static_cast<int64_t>(t) * width, p.q, width, scale, weights + t * kMlaHeads);
      V page_max = max;
      for (t = 0; t < tokens; ++t) page_max = V::Max(page_max, V::Load(weights + t * kMlaHeads));
      const V keep = ExpVec(V::Sub(max, page_max));
      max = page_max;
      V page_sum = V::Zero();
      for (t = 0; t < tokens; ++t) {
        const V e = ExpVec(V::Sub(V::Load(weights + t * kMlaHeads), max));
        e.Store(weights + t * kMlaHeads);
        page_sum = V::Add(page_sum, e);
      }
      sum = V::Fma(sum, keep, page_sum);
      int c = 0;
      for (; c + kBlock <= p.latent; c += kBlock)
        Mix<kBlock>(kv + c, weights, tokens, width, keep, p.mix + c * kMlaHeads);
      for (; c < p.latent; ++c) Mix<1>(kv + c, weights, tokens, width, keep, p.mix + c * kMlaHeads);
    }
    max.Store(p.max);
    sum.Store(p.sum);
  }
};

template <class V>
static void MlaSplitOn(const MlaSplitParams& params) {
  MlaKernel<V>::Run(params);
}

}  // namespace conclave::kernels
