#include "kernels/quant/quantize_int16_kernel.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace conclave::kernels {
#if defined(__x86_64__)
namespace {

// What QuantizeInt16Block does; the compiler's own vectors take seven times as long, for the sums
// across lanes.
void QuantizeBlock(const float* x, int16_t* words, float* scale) {
  constexpr int kVectors = kQuantBlock / 16;
  const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
  __m512 value[kVectors], sum = _mm512_setzero_ps();
  __m512i largest = _mm512_setzero_si512();
#pragma GCC unroll 8
  for (int i = 0; i < kVectors; ++i) {
    value[i] = _mm512_loadu_ps(x + 16 * i);
    const __m512i bits = _mm512_and_si512(_mm512_castps_si512(value[i]), magnitude);
    sum = _mm512_add_ps(sum, _mm512_castsi512_ps(bits));
    largest = _mm512_max_epu32(largest, bits);
  }
  const __m256 sum8 = _mm256_add_ps(_mm512_castps512_ps256(sum), _mm512_extractf32x8_ps(sum, 1));
  const __m128 sum4 = _mm_add_ps(_mm256_castps256_ps128(sum8), _mm256_extractf128_ps(sum8, 1));
  const __m128 sum2 = _mm_add_ps(sum4, _mm_movehl_ps(sum4, sum4));
  const float total = _mm_cvtss_f32(_mm_add_ss(sum2, _mm_movehdup_ps(sum2)));
  const float factor =
      Int16Factor(total, std::bit_cast<float>(_mm512_reduce_max_epu32(largest)), scale);
  const __m512 by = _mm512_set1_ps(factor), magic = _mm512_set1_ps(kInt16Magic);
#pragma GCC unroll 8
  for (int i = 0; i < kVectors; ++i) {
    const __m512 rounded = _mm512_add_ps(_mm512_mul_ps(value[i], by), magic);
    // The low 16 bits; those of kInt16Magic are 0.
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(words + 16 * i),
                        _mm512_cvtepi32_epi16(_mm512_castps_si512(rounded)));
  }
}

}  // namespace

void QuantizeInt16Avx512(const QuantizeInt16Params& params) {
  QuantizeInt16Rows(params, QuantizeBlock);
}
#else
void QuantizeInt16Avx512(const QuantizeInt16Params& params) { QuantizeInt16Portable(params); }
#endif

}  // namespace conclave::kernels
