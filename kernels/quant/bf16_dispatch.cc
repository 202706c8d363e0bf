#include "kernels/base/cpu_features.h"
#include "kernels/quant/bf16.h"

namespace conclave::kernels {
namespace {

const Bf16Rows& Best() {
  static const Bf16Rows best = BestIsa() == Isa::kAvx512 ? Bf16RowsAvx512()
                               : BestIsa() == Isa::kAvx2 ? Bf16RowsAvx2()
                                                         : Bf16RowsPortable();
  return best;
}

}  // namespace

void RoundToBf16(float* values, int64_t count) { Best().round(values, count); }
void EncodeBf16Row(const float* values, int64_t count, uint16_t* out) {
  Best().encode(values, count, out);
}
void DecodeBf16Row(const uint16_t* values, int64_t count, float* out) {
  Best().decode(values, count, out);
}

}  // namespace conclave::kernels
