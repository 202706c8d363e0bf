// What attention needs beside the vector of base/vec_portable.h. The other tile_ops_*.h define the
// same operations with intrinsics and give the same bits.
#pragma once

#include "kernels/base/vec_portable.h"

namespace conclave::kernels::portable {

struct TileOps {
  using V = Vec;
  static constexpr bool kManyRegisters = false;  // 24 accumulators stay in registers

  // p[0] .. p[3], four times.
  static V SetQuad(const float* p) {
    return V::Each([&](int i) { return p[i & 3]; });
  }
  // Sums of neighbouring lanes: those of a, then those of b.
  static V PairSums(V a, V b) {
    return V::Each([&](int i) {
      const float* x = i < 8 ? a.v + 2 * i : b.v + 2 * (i - 8);
      return x[0] + x[1];
    });
  }
  static V SwapHalves(V a) {
    return V::Each([&](int i) { return a.v[i ^ 8]; });
  }
  // Only the first n lanes, 0 <= n <= 16, are read or written; the others are zero.
  static V LoadFirst(const float* p, int n) {
    return V::Each([&](int i) { return i < n ? p[i] : 0.0f; });
  }
  static void StoreFirst(V a, float* p, int n) { std::memcpy(p, a.v, sizeof(float) * n); }
  // 32 bf16 to float32.
  static void WidenBf16(const uint16_t* p, float* out) {
    for (int i = 0; i < 32; ++i) out[i] = kernels::DecodeBf16(p[i]);
  }
  // The same, the even ones first, then the odd ones: half the work.
  static void SplitBf16(const uint16_t* p, float* out) {
    for (int i = 0; i < 32; ++i) out[i % 2 * 16 + i / 2] = kernels::DecodeBf16(p[i]);
  }
  // 32 e4m3 codes to float32, times scale.
  static void WidenFp8(const uint8_t* p, float scale, float* out) {
    for (int i = 0; i < 32; ++i) out[i] = DecodeE4m3(p[i]) * scale;
  }
};

}  // namespace conclave::kernels::portable
