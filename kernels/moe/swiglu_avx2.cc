#include "kernels/moe/swiglu_kernel.h"
#if defined(__x86_64__)
#include "kernels/base/vec_avx2.h"
#endif

namespace conclave::kernels {

#if defined(__x86_64__)
void SwiGluAvx2(const SwiGluParams& params) { SwiGluOn<avx2::Vec>(params); }
#else
void SwiGluAvx2(const SwiGluParams& params) { SwiGluPortable(params); }
#endif

}  // namespace conclave::kernels
