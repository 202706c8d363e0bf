#include <cmath>
#include <cstring>

#include "kernels/base/dtypes.h"
#include "kernels/gemm/gemm.h"

namespace conclave::kernels {
namespace {

// Stored value of channel n at input k, without its scale.
float StoredValue(const PackedMatrix& m, int n, int k) {
  const int group = GroupSize(m.type);
  const uint8_t* p = m.data + (n / kTile) * m.tile_bytes() + (k / group) * 64 + (n % kTile) * 4 +
                     (k % group) * (4 / group);
  if (m.type == WeightType::kFp8) return DecodeE4m3(*p);
  if (m.type == WeightType::kBf16) {
    uint16_t bits;
    std::memcpy(&bits, p, 2);
    return DecodeBf16(bits);
  }
  float value;
  std::memcpy(&value, p, 4);
  return value;
}

}  // namespace

void GemmRef(const GemmParams& p) {
  const PackedMatrix& m = p.w;
  for (int row = 0; row < p.rows; ++row) {
    for (int n = 0; n < m.n; ++n) {
      float total = 0;
      for (int block = 0; block < m.k_blocks(); ++block) {
        float acc = 0;
        for (int k = 0; k < m.k; ++k) {
          if ((k + m.k_phase) / kKBlock != block) continue;
          acc = std::fma(p.x[row * p.x_stride + k], StoredValue(m, n, k), acc);
        }
        const float scale =
            m.type == WeightType::kFp8 ? m.scales[(n / kTile) * m.k_blocks() + block] : 1.0f;
        total = std::fma(scale, acc, total);
      }
      p.out[row * p.out_stride + n] = total;
    }
  }
}

}  // namespace conclave::kernels
