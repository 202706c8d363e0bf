#include <algorithm>
#include <cmath>

#include "kernels/quant/quant.h"
#include "kernels/quant/quantize_int8.h"

namespace conclave::kernels {

void QuantizeInt8Ref(const QuantizeInt8Params& p) {
  const int64_t blocks = (p.cols + kQuantBlock - 1) / kQuantBlock;
  for (int64_t row = 0; row < p.rows; ++row) {
    for (int64_t block = 0; block < blocks; ++block) {
      const float* x = p.x + row * p.x_stride + block * kQuantBlock;
      const int64_t count = std::min<int64_t>(kQuantBlock, p.cols - block * kQuantBlock);
      float amax = 0;
      for (int64_t i = 0; i < count; ++i) amax = std::max(amax, std::abs(x[i]));
      const int64_t at = row * blocks + block;
      int32_t sum = 0;
      for (int64_t i = 0; i < kQuantBlock; ++i) {
        const float code =
            i < count && amax > kInt8Smallest ? std::nearbyint(x[i] * (127.0f / amax)) : 0.0f;
        p.codes[at * kQuantBlock + i] = static_cast<int8_t>(code);
        sum += static_cast<int32_t>(code);
      }
      p.scales[at] = amax / 127.0f;
      p.offsets[at] = -128 * sum;
    }
  }
}

}  // namespace conclave::kernels
