#include "kernels/attention/mla_kernel.h"
#if defined(__x86_64__)
#include "kernels/base/vec_avx2.h"
#endif

namespace conclave::kernels {

#if defined(__x86_64__)
void MlaSplitAvx2(const MlaSplitParams& params) { MlaSplitOn<avx2::Vec>(params); }
#else
void MlaSplitAvx2(const MlaSplitParams& params) { MlaSplitPortable(params); }
#endif

}  // namespace conclave::kernels
