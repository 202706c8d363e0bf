#include "kernels/gemm/gemm.h"

namespace conclave::kernels {

void GemmTiles(const GemmParams& params, int tile_begin, int tile_end, Isa isa) {
  switch (isa) {
    case Isa::kAvx512:
      return GemmTilesAvx512(params, tile_begin, tile_end);
    case Isa::kAvx2:
      return GemmTilesAvx2(params, tile_begin, tile_end);
    case Isa::kPortable:
      return GemmTilesPortable(params, tile_begin, tile_end);
  }
}

}  // namespace conclave::kernels
