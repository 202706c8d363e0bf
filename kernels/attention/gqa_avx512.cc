#include "kernels/attention/gqa_kernel.h"
#if defined(__x86_64__)
#include "kernels/base/vec_avx512.h"
#endif

namespace conclave::kernels {

#if defined(__x86_64__)
void GqaSplitAvx512(const GqaSplitParams& params) { GqaSplitOn<avx512::Vec>(params); }
#else
void GqaSplitAvx512(const GqaSplitParams& params) { GqaSplitPortable(params); }
#endif

}  // namespace conclave::kernels
