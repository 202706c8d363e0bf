#include "kernels/norm/rmsnorm_loops.h"

namespace conclave::kernels {

void RmsNormAvx512(const RmsNormParams& params) { RmsNormRows(params); }

}  // namespace conclave::kernels
