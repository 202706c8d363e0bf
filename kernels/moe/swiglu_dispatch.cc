#include "kernels/moe/swiglu.h"

namespace conclave::kernels {

void SwiGlu(const SwiGluParams& params, Isa isa) {
  switch (isa) {
    case Isa::kAvx512:
      return SwiGluAvx512(params);
    case Isa::kAvx2:
      return SwiGluAvx2(params);
    case Isa::kPortable:
      return SwiGluPortable(params);
  }
}

}  // namespace conclave::kernels
