#include "kernels/gemm/gemm_int8_kernel.h"
#if defined(__x86_64__)
#include <immintrin.h>

#include <cstring>
#endif

namespace conclave::kernels {
#if defined(__x86_64__)
namespace {

struct VnniDot {
  static constexpr bool kWide = true;
  struct Acc {
    __m512i v;
  };
  struct Weights {
    __m512i v;
  };
  static Acc Set1(int32_t x) { return {_mm512_set1_epi32(x)}; }
  static Weights Load(const uint8_t* p) { return {_mm512_loadu_si512(p)}; }
  static Acc Dot(Acc acc, Weights w, const int8_t* x) {
    int32_t codes;
    std::memcpy(&codes, x, 4);
    const __m512i all = _mm512_set1_epi32(codes);
    // The intrinsic makes GCC 12 copy accumulators to and fro.
    asm("vpdpbusd %2, %1, %0" : "+v"(acc.v) : "v"(w.v), "v"(all));
    return acc;
  }
  static void AddScaled(Acc acc, const float* scale, float x_scale, float* total) {
    const __m512 s = _mm512_mul_ps(_mm512_loadu_ps(scale), _mm512_set1_ps(x_scale));
    _mm512_storeu_ps(total, _mm512_fmadd_ps(s, _mm512_cvtepi32_ps(acc.v), _mm512_loadu_ps(total)));
  }
};

}  // namespace
#endif

void GemmInt8Vnni(const GemmParams& params, int panel_begin, int panel_end) {
#if defined(__x86_64__)
  GemmInt8Kernel<VnniDot>::Run(params, panel_begin, panel_end);
#else
  GemmInt8Portable(params, panel_begin, panel_end);
#endif
}

}  // namespace conclave::kernels
