// Queries to 16-bit codes, over the operations of any tile_ops_*.h.
#pragma once

#include <cstring>

#include "kernels/attention/mla_int16.h"
#include "kernels/attention/page_feed.h"
#include "kernels/attention/tile_params.h"

namespace conclave::kernels {

template <class O>
struct MlaInt16QueryKernel {
  using V = typename O::V;

  static void Run(const MlaQueryParams& p) {
    const int64_t block = Int16Query::BlockFloats(p.heads, p.shape);
    const int lanes = p.heads <= 8 ? 8 : kTileLanes;
    PageFetch fetch =
        PageFetch::Of(p.ahead, p.ahead_bytes, 2 * p.heads * (p.shape.MixWidth() / kVector),
                      reinterpret_cast<const uint8_t*>(p.q_latent));
    for (int head = 0; head < p.heads; head += kTileLanes) {
      float* out = p.out + head / kTileLanes * block;
      const int rows = p.heads - head < lanes ? p.heads - head : lanes;
      if (rows < lanes) std::memset(out, 0, sizeof(float) * block);
      const auto pack = lanes == 8 ? PackHead<8> : PackHead<kTileLanes>;
      for (int row = 0; row < rows; ++row) pack(p, head + row, row, fetch, out);
    }
    fetch.Rest();
  }

 private:
  static constexpr int kVector = 16;

  static V LoadGained(const MlaQueryParams& p, const float* q, int at) {
    const int count = p.shape.latent - at;
    const auto load = [&](const float* from) {
      return count >= kVector ? V::Load(from + at) : O::LoadFirst(from + at, count);
    };
    return p.gain == nullptr ? load(q) : V::Mul(load(q), load(p.gain));
  }

  static float Norm(const MlaQueryParams& p, const float* q, PageFetch& fetch) {
    V chains = V::Zero();
    for (int at = 0; at < p.shape.latent; at += kVector) {
      const V x = LoadGained(p, q, at);
      fetch.Step();
      chains = V::Fma(x, x, chains);
    }
    float lanes[kVector];
    chains.Store(lanes);
    for (int step = kVector / 2; step > 0; step /= 2)
      for (int i = 0; i < step; ++i) lanes[i] = lanes[i] + lanes[i + step];
    const float norm = __builtin_sqrtf(lanes[0]);
    return norm < kInt16LeastNorm ? kInt16LeastNorm : norm;
  }

  // Into lane `row` of a block of kLanes heads: pairs of codes lie kLanes pairs apart, with 8 lanes
  // two and two together.
  template <int kLanes>
  static void PackHead(const MlaQueryParams& p, int head, int row, PageFetch& fetch, float* block) {
    constexpr float kLog2e = 1.44269504088896341f;
    constexpr int kTogether = kLanes == 8 ? 2 : 1;
    const int width = p.shape.MixWidth();
    const float* q = p.q_latent + static_cast<int64_t>(head) * p.shape.latent;
    const float norm = Norm(p, q, fetch), scale = p.scale * kLog2e;
    const V to_codes = V::Set1(kInt16QueryNorm / norm);
    float* to = block + row * kTogether;
    for (int at = 0; at < width; at += kVector) {
      alignas(32) int16_t codes[kVector];
      fetch.Step();
      O::StoreCodes(at < p.shape.latent ? V::Mul(LoadGained(p, q, at), to_codes) : V::Zero(),
                    codes);
#pragma GCC unroll 8
      for (int pair = 0; pair < kVector / 2; pair += kTogether, to += kLanes * kTogether)
        std::memcpy(to, codes + 2 * pair, sizeof(float) * kTogether);
    }
    float* rope = block + width / 2 * kLanes + row * kTogether;
    const float* from = p.q_rope + head * p.rope_stride;
    for (int c = 0; c < p.shape.rope; c += kTogether, rope += kLanes * kTogether)
      for (int i = 0; i < kTogether; ++i) rope[i] = from[c + i] * scale;
    float* factor = block + (width / 2 + p.shape.rope) * kLanes + row;
    *factor = scale * MlaInt16Step(p.shape.latent) * (norm / kInt16QueryNorm);
    if constexpr (kLanes == 8) factor[8] = *factor;
  }
};

}  // namespace conclave::kernels
