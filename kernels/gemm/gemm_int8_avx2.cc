#include "kernels/gemm/gemm_int8_kernel.h"
#if defined(__x86_64__)
#include <immintrin.h>

#include <cstring>
#endif

namespace conclave::kernels {
#if defined(__x86_64__)
namespace {

// vpmaddubsw would saturate (2 * 255 * 127 > 32767), so codes are widened to 16 bits.
struct Avx2Dot {
  static constexpr bool kWide = false;
  struct Acc {
    __m256i a, b;  // channels 0..7, 8..15
  };
  struct Weights {
    __m256i even_a, odd_a, even_b, odd_b;  // input channels 0 and 2, 1 and 3
  };
  static Acc Set1(int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
  static Weights Load(const uint8_t* p) {
    const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32));
    const __m256i low = _mm256_set1_epi16(0xff);
    return {_mm256_and_si256(a, low), _mm256_srli_epi16(a, 8), _mm256_and_si256(b, low),
            _mm256_srli_epi16(b, 8)};
  }
  static Acc Dot(Acc acc, const Weights& w, const int8_t* x) {
    int32_t codes;
    std::memcpy(&codes, x, 4);
    const __m256i all = _mm256_set1_epi32(codes);
    const __m256i even = _mm256_srai_epi16(_mm256_slli_epi16(all, 8), 8);
    const __m256i odd = _mm256_srai_epi16(all, 8);
    const auto dot = [&](__m256i sum, __m256i we, __m256i wo) {
      return _mm256_add_epi32(
          sum, _mm256_add_epi32(_mm256_madd_epi16(we, even), _mm256_madd_epi16(wo, odd)));
    };
    return {dot(acc.a, w.even_a, w.odd_a), dot(acc.b, w.even_b, w.odd_b)};
  }
  static void AddScaled(const Acc& acc, const float* scale, float x_scale, float* total) {
    const __m256 x = _mm256_set1_ps(x_scale);
    _mm256_storeu_ps(total, _mm256_fmadd_ps(_mm256_mul_ps(_mm256_loadu_ps(scale), x),
                                            _mm256_cvtepi32_ps(acc.a), _mm256_loadu_ps(total)));
    _mm256_storeu_ps(total + 8,
                     _mm256_fmadd_ps(_mm256_mul_ps(_mm256_loadu_ps(scale + 8), x),
                                     _mm256_cvtepi32_ps(acc.b), _mm256_loadu_ps(total + 8)));
  }
};

}  // namespace
#endif

void GemmInt8Avx2(const GemmParams& params, int panel_begin, int panel_end) {
#if defined(__x86_64__)
  GemmInt8Kernel<Avx2Dot>::Run(params, panel_begin, panel_end);
#else
  GemmInt8Portable(params, panel_begin, panel_end);
#endif
}

}  // namespace conclave::kernels
