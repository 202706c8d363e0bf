#include "kernels/attention/gqa.h"
#include "kernels/base/exp.h"

namespace conclave::kernels {

void GqaMerge(const GqaMergeParams& p) {
  const int64_t width = GqaWidth(p.head_dim);
  for (int q = 0; q < p.queries; ++q) {
    float max = p.max[q];
    for (int s = 1; s < p.splits; ++s) {
      const float m = p.max[s * p.queries + q];
      max = max > m ? max : m;
    }
    float sum = 0;
    float* out = p.out + static_cast<int64_t>(q) * p.head_dim;
    for (int d = 0; d < p.head_dim; ++d) out[d] = 0;
    for (int s = 0; s < p.splits; ++s) {
      const int64_t i = static_cast<int64_t>(s) * p.queries + q;
      const float weight = Exp(p.max[i] - max);  // exactly 1 for a single split
      sum = sum + p.sum[i] * weight;
      for (int d = 0; d < p.head_dim; ++d) out[d] = out[d] + p.mix[i * width + d] * weight;
    }
    for (int d = 0; d < p.head_dim; ++d) out[d] = out[d] / sum;
  }
}

}  // namespace conclave::kernels
