#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/attention/mla.h"

namespace conclave::kernels {

void MlaRef(const MlaSplitParams& p, const MlaQueryParams& query, float* out) {
  const int latent = p.shape.latent, rope = p.shape.rope, width = latent + rope;
  std::vector<float> cached(p.span.end * width);
  for (int64_t t = 0; t < p.span.end; ++t) {
    const uint8_t* page = p.kv + p.span.pages[t / kMlaPageTokens] * p.page_stride;
    MlaDecodeToken(p.shape, page + t % kMlaPageTokens * p.shape.TokenBytes(), &cached[t * width],
                   query.gain);
  }
  for (int h = 0; h < p.heads; ++h) {
    std::vector<double> weights(p.span.end);
    double max = -INFINITY, sum = 0;
    for (int64_t t = 0; t < p.span.end; ++t) {
      const float* kv = &cached[t * width];
      double score = 0;
      for (int d = 0; d < latent; ++d)
        score += static_cast<double>(kv[d]) * query.q_latent[static_cast<int64_t>(h) * latent + d];
      for (int d = 0; d < rope; ++d)
        score += static_cast<double>(kv[latent + d]) * query.q_rope[h * query.rope_stride + d];
      weights[t] = score * query.scale;
      max = std::max(max, weights[t]);
    }
    for (double& w : weights) sum += w = std::exp(w - max);
    for (int c = 0; c < latent; ++c) {
      double mix = 0;
      for (int64_t t = 0; t < p.span.end; ++t) mix += weights[t] * cached[t * width + c];
      out[static_cast<int64_t>(h) * latent + c] = static_cast<float>(mix / sum);
    }
  }
}

}  // namespace conclave::kernels
