#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/attention/gqa.h"
#include "kernels/base/dtypes.h"

namespace conclave::kernels {
namespace {

double Cached(const GqaSplitParams& p, int64_t token, int d, int64_t offset) {
  const uint8_t* at = p.kv + p.pages[token / kGqaPageTokens] * p.page_stride +
                      token % kGqaPageTokens * p.token_stride + offset;
  return p.kv_bf16 ? DecodeBf16(reinterpret_cast<const uint16_t*>(at)[d])
                   : reinterpret_cast<const float*>(at)[d];
}

}  // namespace

void GqaRef(const GqaSplitParams& p, float* out) {
  for (int i = 0; i < p.rows * p.group; ++i) {
    const int row = i / p.group;
    const float* q = p.q + row * p.q_stride + i % p.group * p.head_dim;
    const int64_t tokens = p.context + row;
    std::vector<double> weights(tokens);
    double max = -INFINITY, sum = 0;
    for (int64_t t = 0; t < tokens; ++t) {
      double score = 0;
      for (int d = 0; d < p.head_dim; ++d) score += q[d] * Cached(p, t, d, 0);
      weights[t] = score * p.scale;
      max = std::max(max, weights[t]);
    }
    for (double& w : weights) sum += w = std::exp(w - max);
    for (int d = 0; d < p.head_dim; ++d) {
      double mix = 0;
      for (int64_t t = 0; t < tokens; ++t) mix += weights[t] * Cached(p, t, d, p.value_offset);
      out[static_cast<int64_t>(i) * p.head_dim + d] = static_cast<float>(mix / sum);
    }
  }
}

}  // namespace conclave::kernels
