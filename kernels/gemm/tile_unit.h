// Tile registers (AMX): eight per thread, each of at most 16 rows of 64 bytes.
//
// A tile unit is a type with these static functions over the calling thread's registers:
//   Configure(TileConfig), Release()      before the first and after the last of what follows
//   Zero<t>()
//   Load<t>(memory, stride), Store<t>(memory, stride)      stride: bytes from row to row
//   Dot<sums, codes, weights>()      sums [r][c] += codes [r][4 k + i] * weights [k][4 c + i],
//   codes
//                                    int8, weights uint8, sums int32
//   AddScaled(sums, offset, scales, row_scale, total)      16 lanes:
//                                    total = fma(scales * row_scale, float(sums + offset), total)
#pragma once

#include <cstdint>

namespace conclave::kernels {

// What ldtilecfg reads. A register's rows and bytes of a row also bound what Dot takes from it.
struct TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);

}  // namespace conclave::kernels
