#include "kernels/moe/swiglu_kernel.h"
#if defined(__x86_64__)
#include "kernels/base/vec_avx512.h"
#endif

namespace conclave::kernels {

#if defined(__x86_64__)
void SwiGluAvx512(const SwiGluParams& params) { SwiGluOn<avx512::Vec>(params); }
#else
void SwiGluAvx512(const SwiGluParams& params) { SwiGluPortable(params); }
#endif

}  // namespace conclave::kernels
