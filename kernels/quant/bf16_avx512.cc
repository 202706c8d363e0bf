#include "kernels/quant/bf16_loops.h"

namespace conclave::kernels {

Bf16Rows Bf16RowsAvx512() { return {RoundToBf16Loop, EncodeBf16Loop, DecodeBf16Loop}; }

}  // namespace conclave::kernels
