#include "kernels/attention/gqa.h"
#include "kernels/base/exp.h"

namespace conclave::kernels {

void GqaMerge(const GqaMergeParams& p) {
  const int64_t width = GqaWidth(p.head_dim);
  const int queries = p.rows * p.group;
  for (int q = 0; q < queries; ++q) {
    float max = p.max[q];
    for (int s = 1; s < p.splits; ++s) {
      const float m = p.max[s * queries + q];
      max = max > m ? max : m;
    }
    float sum = 0;
    float* out =
        p.out + q / p.group * p.out_stride + static_cast<int64_t>(q % p.group) * p.head_dim;
    for (int d = 0; d < p.head_dim; ++d) out[d] = 0;
    for (int s = 0; s < p.splits; ++s) {
      const int64_t i = static_cast<int64_t>(s) * queries + q;
      const float weight = Exp(p.max[i] - max);  // exactly 1 for a single split
      sum = sum + p.sum[i] * weight;
      for (int d = 0; d < p.head_dim; ++d) out[d] = out[d] + p.mix[i * width + d] * weight;
    }
    for (int d = 0; d < p.head_dim; ++d) out[d] = out[d] / sum;
  }
}

}  // namespace conclave::kernels
