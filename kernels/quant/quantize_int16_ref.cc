#include <algorithm>
#include <cmath>

#include "kernels/quant/quant.h"
#include "kernels/quant/quantize_int16.h"

namespace conclave::kernels {

void QuantizeInt16Ref(const QuantizeInt16Params& p) {
  const int64_t blocks = (p.cols + kQuantBlock - 1) / kQuantBlock;
  for (int64_t row = 0; row < p.rows; ++row) {
    for (int64_t block = 0; block < blocks; ++block) {
      const float* x = p.x + row * p.x_stride + block * kQuantBlock;
      const int64_t count = std::min<int64_t>(kQuantBlock, p.cols - block * kQuantBlock);
      float chains[16] = {}, largest = 0;
      for (int64_t i = 0; i < count; ++i) {
        chains[i % 16] += std::abs(x[i]);
        largest = std::max(largest, std::abs(x[i]));
      }
      for (int width = 8; width > 0; width /= 2)
        for (int i = 0; i < width; ++i) chains[i] += chains[i + width];
      const bool zero = chains[0] <= kInt16Smallest;
      const float factor = std::min(kInt16Sum / chains[0], kInt16Largest / largest);
      const int64_t at = row * blocks + block;
      for (int64_t i = 0; i < kQuantBlock; ++i)
        p.words[at * kQuantBlock + i] =
            static_cast<int16_t>(i < count && !zero ? std::nearbyint(x[i] * factor) : 0.0f);
      p.scales[at] = zero ? 0.0f : 1.0f / factor;
    }
  }
}

}  // namespace conclave::kernels
