#include "kernels/quant/quantize_int16.h"

namespace conclave::kernels {

void QuantizeInt16(const QuantizeInt16Params& params, Isa isa) {
  switch (isa) {
    case Isa::kAvx512:
      return QuantizeInt16Avx512(params);
    case Isa::kAvx2:
      return QuantizeInt16Avx2(params);
    case Isa::kPortable:
      return QuantizeInt16Portable(params);
  }
}

}  // namespace conclave::kernels
