#include "kernels/peak/peak.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace conclave::kernels {

int64_t PeakFmaAvx2(int64_t iterations) {
#if defined(__x86_64__)
  constexpr int kChains = 12;
  __m256 sum[kChains];
#pragma GCC unroll 12
  for (int c = 0; c < kChains; ++c) sum[c] = _mm256_setzero_ps();
  const __m256 x = _mm256_set1_ps(1.0f);
  for (int64_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) {
      sum[c] = _mm256_fmadd_ps(x, x, sum[c]);
      asm volatile("" : "+x"(sum[c]));
    }
  }
  return iterations * kChains * 8;
#else
  return PeakFmaPortable(iterations);
#endif
}

}  // namespace conclave::kernels
