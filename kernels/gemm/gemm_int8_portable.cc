#include <cmath>
#include <cstring>

#include "kernels/gemm/gemm_int8_kernel.h"

namespace conclave::kernels {
namespace {

struct PortableDot {
  static constexpr bool kWide = false;
  struct Acc {
    int32_t v[kTile];
  };
  struct Weights {
    uint8_t v[64];
  };
  static Acc Set1(int32_t x) {
    Acc acc;
    for (int32_t& lane : acc.v) lane = x;
    return acc;
  }
  static Weights Load(const uint8_t* p) {
    Weights w;
    std::memcpy(w.v, p, 64);
    return w;
  }
  static Acc Dot(Acc acc, const Weights& w, const int8_t* x) {
    for (int i = 0; i < 64; ++i) acc.v[i / 4] += w.v[i] * x[i % 4];
    return acc;
  }
  static void AddScaled(const Acc& acc, const float* scale, float x_scale, float* total) {
    for (int i = 0; i < kTile; ++i)
      total[i] = std::fma(scale[i] * x_scale, static_cast<float>(acc.v[i]), total[i]);
  }
};

}  // namespace

void GemmInt8Portable(const GemmParams& params, int panel_begin, int panel_end) {
  GemmInt8Kernel<PortableDot>::Run(params, panel_begin, panel_end);
}

}  // namespace conclave::kernels
