#include "kernels/peak/peak.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace conclave::kernels {
#if defined(__x86_64__)
namespace {

constexpr int kChains = 16;

}  // namespace

int64_t PeakFmaAvx512(int64_t iterations) {
  __m512 sum[kChains];
#pragma GCC unroll 16
  for (int c = 0; c < kChains; ++c) sum[c] = _mm512_setzero_ps();
  const __m512 x = _mm512_set1_ps(1.0f);
  for (int64_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 16
    for (int c = 0; c < kChains; ++c) {
      sum[c] = _mm512_fmadd_ps(x, x, sum[c]);
      asm volatile("" : "+v"(sum[c]));
    }
  }
  return iterations * kChains * 16;
}

__attribute__((target("avx512bf16"))) int64_t PeakBf16Dot(int64_t iterations) {
  __m512 sum[kChains];
#pragma GCC unroll 16
  for (int c = 0; c < kChains; ++c) sum[c] = _mm512_setzero_ps();
  const __m512bh x = (__m512bh)_mm512_set1_epi32(0x3f803f80);
  for (int64_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 16
    for (int c = 0; c < kChains; ++c) {
      sum[c] = _mm512_dpbf16_ps(sum[c], x, x);
      asm volatile("" : "+v"(sum[c]));
    }
  }
  return iterations * kChains * 32;
}

__attribute__((target("avx512vnni"))) int64_t PeakInt16Dot(int64_t iterations) {
  __m512i sum[kChains];
#pragma GCC unroll 16
  for (int c = 0; c < kChains; ++c) sum[c] = _mm512_setzero_si512();
  const __m512i x = _mm512_set1_epi16(1);
  for (int64_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 16
    for (int c = 0; c < kChains; ++c) {
      sum[c] = _mm512_dpwssd_epi32(sum[c], x, x);
      asm volatile("" : "+v"(sum[c]));
    }
  }
  return iterations * kChains * 32;
}

__attribute__((target("avx512vnni"))) int64_t PeakInt8Dot(int64_t iterations) {
  __m512i sum[kChains];
#pragma GCC unroll 16
  for (int c = 0; c < kChains; ++c) sum[c] = _mm512_setzero_si512();
  const __m512i x = _mm512_set1_epi8(1);
  for (int64_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 16
    for (int c = 0; c < kChains; ++c) {
      sum[c] = _mm512_dpbusd_epi32(sum[c], x, x);
      asm volatile("" : "+v"(sum[c]));
    }
  }
  return iterations * kChains * 64;
}

uint64_t ReadAllAvx512(const uint8_t* data, int64_t bytes) {
  __m512i sum[4];
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) sum[c] = _mm512_setzero_si512();
  for (int64_t i = 0; i < bytes; i += 256) {
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c)
      sum[c] = _mm512_xor_si512(sum[c], _mm512_loadu_si512(data + i + c * 64));
  }
  return static_cast<uint64_t>(_mm512_reduce_add_epi64(
      _mm512_xor_si512(_mm512_xor_si512(sum[0], sum[1]), _mm512_xor_si512(sum[2], sum[3]))));
}
#else

int64_t PeakFmaAvx512(int64_t iterations) { return PeakFmaPortable(iterations); }
int64_t PeakBf16Dot(int64_t iterations) { return PeakFmaPortable(iterations); }
int64_t PeakInt16Dot(int64_t iterations) { return PeakFmaPortable(iterations); }
int64_t PeakInt8Dot(int64_t iterations) { return PeakFmaPortable(iterations); }
uint64_t ReadAllAvx512(const uint8_t* data, int64_t bytes) { return ReadAllPortable(data, bytes); }
#endif

}  // namespace conclave::kernels
