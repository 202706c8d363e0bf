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
        PageFetch::Of(p.ahead, p.ahead_bytes, 2 * p.heads * (p.shape.MixWidth() / kVector + 1),
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

  // Channels of one head.
  struct Channels {
    const float* q = nullptr;     // [count]
    const float* gain = nullptr;  // what they are multiplied by; null: 1
    int count = 0;

    V Load(int at) const {
      const int left = count - at;
      const auto load = [&](const float* from) {
        return left >= kVector ? V::Load(from + at) : O::LoadFirst(from + at, left);
      };
      return gain == nullptr ? load(q) : V::Mul(load(q), load(gain));
    }
  };

  static float Norm(const Channels& x, PageFetch& fetch) {
    V chains = V::Zero();
    for (int at = 0; at < x.count; at += kVector) {
      const V value = x.Load(at);
      fetch.Step();
      chains = V::Fma(value, value, chains);
    }
    float lanes[kVector];
    chains.Store(lanes);
    for (int step = kVector / 2; step > 0; step /= 2)
      for (int i = 0; i < step; ++i) lanes[i] = lanes[i] + lanes[i + step];
    const float norm = __builtin_sqrtf(lanes[0]);
    return norm < kInt16LeastNorm ? kInt16LeastNorm : norm;
  }

  // Pairs of codes of `width` channels lie kLanes pairs apart, with 8 lanes two and two together;
  // those behind the last channel are 0. Returns what a code is worth.
  template <int kLanes>
  static float PackCodes(const Channels& x, int width, PageFetch& fetch, float* to) {
    constexpr int kTogether = kLanes == 8 ? 2 : 1;
    const float norm = Norm(x, fetch);
    const V to_codes = V::Set1(kInt16QueryNorm / norm);
    for (int at = 0; at < width; at += kVector) {
      alignas(32) int16_t codes[kVector];
      fetch.Step();
      O::StoreCodes(at < x.count ? V::Mul(x.Load(at), to_codes) : V::Zero(), codes);
      const auto spread = [&](int pairs) {
#pragma GCC unroll 8
        for (int pair = 0; pair < pairs; pair += kTogether, to += kLanes * kTogether)
          std::memcpy(to, codes + 2 * pair, sizeof(float) * kTogether);
      };
      if (width - at >= kVector) {
        spread(kVector / 2);  // a length that the compiler knows
      } else {
        spread((width - at) / 2);
      }
    }
    return norm / kInt16QueryNorm;
  }

  // Into lane `row` of a block of kLanes heads.
  template <int kLanes>
  static void PackHead(const MlaQueryParams& p, int head, int row, PageFetch& fetch, float* block) {
    constexpr float kLog2e = 1.44269504088896341f;
    const MlaCacheShape& s = p.shape;
    const float scale = p.scale * kLog2e;
    float* lane = block + row * (kLanes == 8 ? 2 : 1);
    const float latent =
        PackCodes<kLanes>({p.q_latent + static_cast<int64_t>(head) * s.latent, p.gain, s.latent},
                          s.MixWidth(), fetch, lane);
    const float rope = PackCodes<kLanes>({p.q_rope + head * p.rope_stride, nullptr, s.rope}, s.rope,
                                         fetch, lane + s.MixWidth() / 2 * kLanes);
    float* factors = block + (s.MixWidth() + s.rope) / 2 * kLanes + row;
    for (int i = 0; i < kTileLanes; i += kLanes) {
      factors[i] = scale * MlaInt16Step(s.latent) * latent;
      factors[kTileLanes + i] = scale * rope;
    }
  }
};

}  // namespace conclave::kernels
