#include "kernels/attention/mla.h"
#include "kernels/base/exp.h"

namespace conclave::kernels {

void MlaMerge(const MlaMergeParams& p) {
  const int64_t mix_stride = static_cast<int64_t>(p.latent) * kMlaHeads;
  for (int h = 0; h < p.heads; ++h) {
    float max = p.max[h];
    for (int s = 1; s < p.splits; ++s) {
      const float m = p.max[s * kMlaHeads + h];
      max = max > m ? max : m;
    }
    float sum = 0;
    float* out = p.out + static_cast<int64_t>(h) * p.latent;
    for (int c = 0; c < p.latent; ++c) out[c] = 0;
    for (int s = 0; s < p.splits; ++s) {
      const float weight = Exp(p.max[s * kMlaHeads + h] - max);  // exactly 1 for a single split
      sum = sum + p.sum[s * kMlaHeads + h] * weight;
      const float* mix = p.mix + s * mix_stride + h;
      for (int c = 0; c < p.latent; ++c)
        out[c] = out[c] + mix[static_cast<int64_t>(c) * kMlaHeads] * weight;
    }
    for (int c = 0; c < p.latent; ++c) out[c] = out[c] / sum;
  }
}

}  // namespace conclave::kernels
