#include <cmath>

#include "kernels/base/dtypes.h"
#include "kernels/moe/swiglu.h"

namespace conclave::kernels {

void SwiGluRef(const SwiGluParams& p) {
  for (int64_t i = 0; i < p.count; ++i) {
    const double gate = p.gate[i];
    const float value = static_cast<float>(gate / (1 + std::exp(-gate)) * p.up[i]);
    p.out[i] = p.round_bf16 ? RoundBf16(value) : value;
  }
}

}  // namespace conclave::kernels
