#include <cmath>
#include <vector>

#include "kernels/attention/mla.h"
#include "kernels/base/dtypes.h"

namespace conclave::kernels {
namespace {

double CachedValue(const MlaSplitParams& p, int64_t token, int d) {
  const uint8_t* page = p.kv + p.pages[token / kMlaPageTokens] * p.page_stride;
  const int64_t i = (token % kMlaPageTokens) * (p.latent + p.rope) + d;
  return p.kv_bf16 ? DecodeBf16(reinterpret_cast<const uint16_t*>(page)[i])
                   : reinterpret_cast<const float*>(page)[i];
}

}  // namespace

void MlaRef(const MlaSplitParams& p, float* out) {
  for (int h = 0; h < kMlaHeads; ++h) {
    std::vector<double> weights(p.token_end);
    double max = -INFINITY, sum = 0;
    for (int64_t t = 0; t < p.token_end; ++t) {
      double score = 0;
      for (int d = 0; d < p.latent + p.rope; ++d)
        score += CachedValue(p, t, d) * p.q[d * kMlaHeads + h];
      weights[t] = score * p.scale;
      max = std::max(max, weights[t]);
    }
    for (double& w : weights) sum += w = std::exp(w - max);
    for (int c = 0; c < p.latent; ++c) {
      double mix = 0;
      for (int64_t t = 0; t < p.token_end; ++t) mix += weights[t] * CachedValue(p, t, c);
      out[static_cast<int64_t>(h) * p.latent + c] = static_cast<float>(mix / sum);
    }
  }
}

}  // namespace conclave::kernels
