#include "kernels/base/cpu_features.h"
#include "kernels/norm/rmsnorm.h"

namespace conclave::kernels {

void RmsNorm(const RmsNormParams& params) {
  switch (BestIsa()) {
    case Isa::kAvx512:
      return RmsNormAvx512(params);
    case Isa::kAvx2:
      return RmsNormAvx2(params);
    case Isa::kPortable:
      return RmsNormPortable(params);
  }
}

}  // namespace conclave::kernels
