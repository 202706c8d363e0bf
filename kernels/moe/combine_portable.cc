#include "kernels/moe/combine_loops.h"

namespace conclave::kernels {

void CombinePortable(const CombineParams& params) { CombineRows(params); }

}  // namespace conclave::kernels
