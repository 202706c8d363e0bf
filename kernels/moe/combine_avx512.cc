#include "kernels/moe/combine_loops.h"

namespace conclave::kernels {

void CombineAvx512(const CombineParams& params) { CombineRows(params); }

}  // namespace conclave::kernels
