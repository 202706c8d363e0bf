#include "kernels/moe/combine_loops.h"

namespace conclave::kernels {

void CombineAvx2(const CombineParams& params) { CombineRows(params); }

}  // namespace conclave::kernels
