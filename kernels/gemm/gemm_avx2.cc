#include "kernels/gemm/gemm_kernel.h"
#if defined(__x86_64__)
#include "kernels/base/vec_avx2.h"
#endif

namespace conclave::kernels {

void GemmPanelsAvx2(const GemmParams& params, int panel_begin, int panel_end) {
#if defined(__x86_64__)
  GemmPanelsOn<avx2::Vec>(params, panel_begin, panel_end);
#else
  GemmPanelsPortable(params, panel_begin, panel_end);
#endif
}

}  // namespace conclave::kernels
