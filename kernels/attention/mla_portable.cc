#include "kernels/attention/mla_kernel.h"
#include "kernels/base/vec_portable.h"

namespace conclave::kernels {

void MlaSplitPortable(const MlaSplitParams& params) { MlaSplitOn<portable::Vec>(params); }

}  // namespace conclave::kernels
