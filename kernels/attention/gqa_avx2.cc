#include "kernels/attention/gqa_kernel.h"
#if defined(__x86_64__)
#include "kernels/base/vec_avx2.h"
#endif

namespace conclave::kernels {

#if defined(__x86_64__)
void GqaSplitAvx2(const GqaSplitParams& params) { GqaSplitOn<avx2::Vec>(params); }
#else
void GqaSplitAvx2(const GqaSplitParams& params) { GqaSplitPortable(params); }
#endif

}  // namespace conclave::kernels
