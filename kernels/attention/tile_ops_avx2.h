// What attention needs beside the vector of base/vec_avx2.h. Include only in *_avx2.cc.
#pragma once

#include <cstring>

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

  struct Ints {
    __m256i a, b;
  };
  static Ints LoadInts(const int16_t* p) { return {Load(p), Load(p + 16)}; }
  static void StoreInts(Ints x, int16_t* p) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x.a);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 16), x.b);
  }
  static Ints ZeroInts() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
  static Ints SetTwo(const int16_t* p) {
    int32_t two;
    std::memcpy(&two, p, sizeof(two));
    return {_mm256_set1_epi32(two), _mm256_set1_epi32(two)};
  }
  static Ints SetFour(const int16_t* p) {
    int64_t four;
    std::memcpy(&four, p, sizeof(four));
    return {_mm256_set1_epi64x(four), _mm256_set1_epi64x(four)};
  }
  static Ints Dot(Ints sum, Ints x, Ints y) {
    return {_mm256_add_epi32(sum.a, _mm256_madd_epi16(x.a, y.a)),
            _mm256_add_epi32(sum.b, _mm256_madd_epi16(x.b, y.b))};
  }
  static Ints DotTwo(Ints sum, const int16_t* p, Ints y) { return Dot(sum, SetTwo(p), y); }
  static Ints PairSums(Ints x, Ints y) { return {PairSums8(x.a, x.b), PairSums8(y.a, y.b)}; }
  static V ToFloat(Ints x) { return {_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)}; }
  static void Weave(const int16_t* a, const int16_t* b, Ints* out) {
    const __m256i a0 = Load(a), a1 = Load(a + 16), b0 = Load(b), b1 = Load(b + 16);
    out[0] = {_mm256_unpacklo_epi16(a0, b0), _mm256_unpacklo_epi16(a1, b1)};
    out[1] = {_mm256_unpackhi_epi16(a0, b0), _mm256_unpackhi_epi16(a1, b1)};
  }
  static void StoreCodes(V x, int16_t* p) {
    const __m256i halves = _mm256_packs_epi32(_mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        _mm256_permute4x64_epi64(halves, _MM_SHUFFLE(3, 1, 2, 0)));
  }
  static Ints PairCodes(V low, V high) {
    return {PairCodes8(low.a, high.a), PairCodes8(low.b, high.b)};
  }
  static V ScaleAll(V x, const float* p) { return V::Mul(x, V::Set1(*p)); }
  static V ScaleHalves(V x, const float* p) {
    return {_mm256_mul_ps(x.a, _mm256_set1_ps(p[0])), _mm256_mul_ps(x.b, _mm256_set1_ps(p[1]))};
  }
  static V LowHalves(V x, V y) { return {x.a, y.a}; }
  static V HighHalves(V x, V y) { return {x.b, y.b}; }
  static V LoadCodes(const int16_t* p) { return {LoadCodes8(p), LoadCodes8(p + 8)}; }

 private:
  static __m256i Load(const int16_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static __m256 LoadCodes8(const int16_t* p) {
    const __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(codes));
  }
  static __m256i PairCodes8(__m256 low, __m256 high) {
    return _mm256_blend_epi16(_mm256_cvtps_epi32(low),
                              _mm256_slli_epi32(_mm256_cvtps_epi32(high), 16), 0xaa);
  }
  static __m256i PairSums8(__m256i x, __m256i y) {
    return _mm256_permute4x64_epi64(_mm256_hadd_epi32(x, y), _MM_SHUFFLE(3, 1, 2, 0));
  }
  static __m256 PairSums8(__m256 x, __m256 y) {
    const __m256 sums = _mm256_hadd_ps(x, y);  // x0 x1 y0 y1 || x2 x3 y2 y3, each a sum of two
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(sums), _MM_SHUFFLE(3, 1, 2, 0)));
  }
  static __m256i First8(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
};

}  // namespace conclave::kernels::avx2
