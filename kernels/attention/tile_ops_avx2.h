// What attention needs beside the vector of base/vec_avx2.h. Include only in *_avx2.cc.
#pragma once

#include "kernels/base/vec_avx2.h"

namespace conclave::kernels::avx2 {

struct TileOps {
  using V = Vec;
  static constexpr bool kManyRegisters = false;

  static V SetQuad(const float* p) {
    const __m256 v = _mm256_broadcast_ps(reinterpret_cast<const __m128*>(p));
    return {v, v};
  }
  static V PairSums(V x, V y) { return {PairSums8(x.a, x.b), PairSums8(y.a, y.b)}; }
  static V SwapHalves(V x) { return {x.b, x.a}; }
  static V LoadFirst(const float* p, int n) {
    return {_mm256_maskload_ps(p, First8(n)), _mm256_maskload_ps(p + 8, First8(n - 8))};
  }
  static void StoreFirst(V x, float* p, int n) {
    _mm256_maskstore_ps(p, First8(n), x.a);
    _mm256_maskstore_ps(p + 8, First8(n - 8), x.b);
  }
  static void WidenBf16(const uint16_t* p, float* out) {
    for (int i = 0; i < 32; i += 16) V::LoadBf16(p + i).Store(out + i);
  }
  static void SplitBf16(const uint16_t* p, float* out) {
    const __m256i high = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
    for (int i = 0; i < 2; ++i) {
      const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 16 * i));
      _mm256_storeu_ps(out + 8 * i, _mm256_castsi256_ps(_mm256_slli_epi32(x, 16)));
      _mm256_storeu_ps(out + 16 + 8 * i, _mm256_castsi256_ps(_mm256_and_si256(x, high)));
    }
  }
  // An e4m3 code, moved into the exponent and mantissa of a half float, is its value times 2^-8.
  static void WidenFp8(const uint8_t* p, float scale, float* out) {
    const __m256 s = _mm256_set1_ps(scale), unit = _mm256_set1_ps(256.0f);
    for (int i = 0; i < 32; i += 8) {
      const __m128i codes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p + i));
      const __m128i words = _mm_srai_epi16(_mm_unpacklo_epi8(_mm_setzero_si128(), codes), 1);
      const __m128i half = _mm_and_si128(words, _mm_set1_epi16(static_cast<short>(0xbf80)));
      _mm256_storeu_ps(out + i, _mm256_mul_ps(_mm256_mul_ps(_mm256_cvtph_ps(half), unit), s));
    }
  }

 private:
  static __m256 PairSums8(__m256 x, __m256 y) {
    const __m256 sums = _mm256_hadd_ps(x, y);  // x0 x1 y0 y1 || x2 x3 y2 y3, each a sum of two
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(sums), _MM_SHUFFLE(3, 1, 2, 0)));
  }
  static __m256i First8(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
};

}  // namespace conclave::kernels::avx2
