#include "kernels/attention/mla_kernel.h"
#if defined(__x86_64__)
#include "kernels/base/vec_avx512.h"
#endif

namespace conclave::kernels {

#if defined(__x86_64__)
void MlaSplitAvx512(const MlaSplitParams& params) { MlaSplitOn<avx512::Vec>(params); }
#else
void MlaSplitAvx512(const MlaSplitParams& params) { MlaSplitPortable(params); }
#endif

}  // namespace conclave::kernels
