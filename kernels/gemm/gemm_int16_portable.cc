#include <cmath>
#include <cstring>

#include "kernels/gemm/gemm_int16_kernel.h"

namespace conclave::kernels {
namespace {

struct PortableWordDot {
  static constexpr int kSums = 4;
  struct Acc {
    int32_t v[kTile];
  };
  struct Words {
    int16_t v[2 * kTile];
  };
  struct Factor {
    float v[kTile];
  };
  static Acc Zero() { return {}; }
  static void Decode(const uint8_t* p, Words* w) {
    for (int i = 0; i < 64; ++i) w[i % 2].v[i / 2] = static_cast<int16_t>(Fp8Int16Value(p[i]));
  }
  static Words Load(const int16_t* p) {
    Words w;
    std::memcpy(w.v, p, sizeof(w.v));
    return w;
  }
  static void Store(const Words& w, int16_t* p) { std::memcpy(p, w.v, sizeof(w.v)); }
  static const int16_t* Broadcast(const int16_t* x) { return x; }
  static Acc Dot(Acc acc, const Words& w, const int16_t* x) {
    for (int i = 0; i < 2 * kTile; ++i) acc.v[i / 2] += w.v[i] * x[i % 2];
    return acc;
  }
  static Factor Same(float x) {
    Factor f;
    for (float& lane : f.v) lane = x;
    return f;
  }
  static Factor Factors(const float* p) {
    Factor f;
    std::memcpy(f.v, p, sizeof(f.v));
    return f;
  }
  static void AddScaled(const Acc& acc, const Factor& scale, const Factor& x_scale, bool first,
                        float* total) {
    for (int i = 0; i < kTile; ++i)
      total[i] = std::fma(scale.v[i] * x_scale.v[i], static_cast<float>(acc.v[i]),
                          first ? 0.0f : total[i]);
  }
};

}  // namespace

void GemmInt16Portable(const GemmParams& params, int panel_begin, int panel_end) {
  GemmInt16On<PortableWordDot>(params, panel_begin, panel_end);
}

}  // namespace conclave::kernels
