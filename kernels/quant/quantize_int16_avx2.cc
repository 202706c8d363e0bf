#include "kernels/quant/quantize_int16_kernel.h"

namespace conclave::kernels {

void QuantizeInt16Avx2(const QuantizeInt16Params& params) {
  QuantizeInt16Rows(params, QuantizeInt16Block);
}

}  // namespace conclave::kernels
