#include "kernels/norm/rmsnorm_loops.h"

namespace conclave::kernels {

void RmsNormPortable(const RmsNormParams& params) { RmsNormRows(params); }

}  // namespace conclave::kernels
