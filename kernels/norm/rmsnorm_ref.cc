#include <cmath>

#include "kernels/norm/rmsnorm.h"

namespace conclave::kernels {

void RmsNormRef(const RmsNormParams& p) {
  for (int row = 0; row < p.rows; ++row) {
    double sum = 0;
    for (int i = 0; i < p.width; ++i)
      sum += std::pow(static_cast<double>(p.x[row * p.x_stride + i]), 2);
    const double scale = 1 / std::sqrt(sum / p.width + p.eps);
    for (int i = 0; i < p.width; ++i)
      p.out[row * p.out_stride + i] = static_cast<float>(
          p.x[row * p.x_stride + i] * scale * (p.weight == nullptr ? 1.0f : p.weight[i]));
  }
}

}  // namespace conclave::kernels
