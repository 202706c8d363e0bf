#include "kernels/base/vec_portable.h"
#include "kernels/gemm/gemm_kernel.h"

namespace conclave::kernels {

void GemmPanelsPortable(const GemmParams& params, int panel_begin, int panel_end) {
  GemmPanelsOn<portable::Vec>(params, panel_begin, panel_end);
}

}  // namespace conclave::kernels
