#include "kernels/base/vec_portable.h"
#include "kernels/gemm/gemm_kernel.h"

namespace conclave::kernels {

void GemmTilesPortable(const GemmParams& params, int tile_begin, int tile_end) {
  GemmTilesOn<portable::Vec>(params, tile_begin, tile_end);
}

}  // namespace conclave::kernels
