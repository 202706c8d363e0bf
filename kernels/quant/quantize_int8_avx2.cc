#include "kernels/quant/quantize_int8_kernel.h"

namespace conclave::kernels {

void QuantizeInt8Avx2(const QuantizeInt8Params& params) { QuantizeInt8Rows(params); }

}  // namespace conclave::kernels
