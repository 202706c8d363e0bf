#include "kernels/moe/combine.h"

namespace conclave::kernels {

void CombineRef(const CombineParams& p) {
  for (int64_t row = 0; row < p.rows; ++row) {
    for (int64_t d = 0; d < p.width; ++d) {
      float sum = 0;
      for (int i = 0; i < p.k; ++i) {
        const int64_t pick = row * p.k + i;
        sum += p.weight[pick] * p.answers[pick * p.width + d];
      }
      if (p.shared != nullptr) sum += p.shared[row * p.width + d];
      p.x[row * p.width + d] += sum;
    }
  }
}

}  // namespace conclave::kernels
