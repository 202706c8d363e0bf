#include "kernels/gemm/gemm_kernel.h"
#if defined(__x86_64__)
#include "kernels/base/vec_avx2.h"
#endif

namespace conclave::kernels {

void GemmTilesAvx2(const GemmParams& params, int tile_begin, int tile_end) {
#if defined(__x86_64__)
  GemmTilesOn<avx2::Vec>(params, tile_begin, tile_end);
#else
  GemmTilesPortable(params, tile_begin, tile_end);
#endif
}

}  // namespace conclave::kernels
