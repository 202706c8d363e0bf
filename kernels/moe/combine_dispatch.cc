#include "kernels/base/cpu_features.h"
#include "kernels/moe/combine.h"

namespace conclave::kernels {

void Combine(const CombineParams& params) {
  switch (BestIsa()) {
    case Isa::kAvx512:
      return CombineAvx512(params);
    case Isa::kAvx2:
      return CombineAvx2(params);
    case Isa::kPortable:
      return CombinePortable(params);
  }
}

void AddTo(const float* y, int64_t count, float* x) {
  for (int64_t i = 0; i < count; ++i) x[i] += y[i];
}

}  // namespace conclave::kernels
