#include "kernels/quant/quantize_int8.h"

namespace conclave::kernels {

void QuantizeInt8(const QuantizeInt8Params& params, Isa isa) {
  switch (isa) {
    case Isa::kAvx512:
      return QuantizeInt8Avx512(params);
    case Isa::kAvx2:
      return QuantizeInt8Avx2(params);
    case Isa::kPortable:
      return QuantizeInt8Portable(params);
  }
}

}  // namespace conclave::kernels
