// Merges results of splits, over the operations of any tile_ops_*.h.
#pragma once

#include "kernels/attention/mla.h"
#include "kernels/base/exp.h"

namespace conclave::kernels {

template <class O>
struct MlaMergeKernel {
  using V = typename O::V;

  static void Run(const MlaMergeParams& p) {
    const int lanes = MlaLanes(p.heads);
    const int64_t part_floats = MlaPartialFloats(p.heads, p.latent);
    for (int h = p.head_begin; h < p.head_end; ++h) {
      float* mix = p.into + 2 * lanes + static_cast<int64_t>(h) * p.latent;
      for (int part = 0; part < p.count; ++part) {
        const float* from = p.parts + part * part_floats;
        float &max = p.into[h], &sum = p.into[lanes + h];
        const float later = from[h], most = max > later ? max : later;
        const float keep = Exp2(max - most), take = Exp2(later - most);
        sum = __builtin_fmaf(from[lanes + h], take, sum * keep);
        max = most;
        const float* add = from + 2 * lanes + static_cast<int64_t>(h) * p.latent;
        const V kept = V::Set1(keep), taken = V::Set1(take);
        int c = 0;
        for (; c + V::kLanes <= p.latent; c += V::kLanes)
          V::Fma(V::Load(add + c), taken, V::Mul(V::Load(mix + c), kept)).Store(mix + c);
        if (const int left = p.latent - c; left > 0) {
          const V sum =
              V::Fma(O::LoadFirst(add + c, left), taken, V::Mul(O::LoadFirst(mix + c, left), kept));
          O::StoreFirst(sum, mix + c, left);
        }
      }
    }
  }
};

}  // namespace conclave::kernels
