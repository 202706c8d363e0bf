// out = x W^T. Each output is computed in one order whatever the number of rows, the tiles of a
// call or the instruction set (law 1): blocks of kKBlock input channels in order; inside a block
// one chain of fused multiply-adds from 0 along k; then total = fma(scale, block, total), scale 1
// without e4m3.
#pragma once

#include "kernels/base/cpu_features.h"
#include "kernels/gemm/packed_matrix.h"

namespace conclave::kernels {

struct GemmParams {
  PackedMatrix w;
  const float* x = nullptr;  // [rows, x_stride], the first w.k of each row are read
  float* out = nullptr;      // [rows, out_stride], the first w.n of each row are written
  int rows = 0;
  int64_t x_stride = 0;    // values
  int64_t out_stride = 0;  // values
};

// Tiles [tile_begin, tile_end) of the output channels; different tiles may run on different
// threads.
void GemmTiles(const GemmParams& params, int tile_begin, int tile_end, Isa isa);

// The oracle: the same order in plain loops, the same bits.
void GemmRef(const GemmParams& params);

void GemmTilesPortable(const GemmParams& params, int tile_begin, int tile_end);
void GemmTilesAvx2(const GemmParams& params, int tile_begin, int tile_end);
void GemmTilesAvx512(const GemmParams& params, int tile_begin, int tile_end);

}  // namespace conclave::kernels
