#include "kernels/attention/gqa_kernel.h"
#include "kernels/base/vec_portable.h"

namespace conclave::kernels {

void GqaSplitPortable(const GqaSplitParams& params) { GqaSplitOn<portable::Vec>(params); }

}  // namespace conclave::kernels
