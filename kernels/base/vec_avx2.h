// Sixteen float32 lanes as two AVX2 registers. Include only in *_avx2.cc.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace conclave::kernels::avx2 {

struct Vec {
  static constexpr int kLanes = 16;
  static constexpr int kAccumulators = 4;
  __m256 a, b;  // channels 0..7, 8..15

  static Vec Zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static Vec Set1(float x) {
    const __m256 v = _mm256_set1_ps(x);
    return {v, v};
  }
  static Vec Load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  void Store(float* p) const {
    _mm256_storeu_ps(p, a);
    _mm256_storeu_ps(p + 8, b);
  }
  static Vec Fma(Vec x, Vec y, Vec z) {
    return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
  }
  static Vec Add(Vec x, Vec y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
  static Vec Sub(Vec x, Vec y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
  static Vec Mul(Vec x, Vec y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
  static Vec Div(Vec x, Vec y) { return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
  static Vec Max(Vec x, Vec y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
  static Vec Min(Vec x, Vec y) { return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
  static Vec ScaleByPowerOfTwo(Vec x, Vec n) { return {Scale8(x.a, n.a), Scale8(x.b, n.b)}; }
  static void DecodeF32(const uint8_t* p, Vec* w) {
    w[0] = Load(reinterpret_cast<const float*>(p));
  }
  static void DecodeBf16(const uint8_t* p, Vec* w) {
    const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    const __m256i y = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32));
    const __m256i high = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
    w[0] = {_mm256_castsi256_ps(_mm256_slli_epi32(x, 16)),
            _mm256_castsi256_ps(_mm256_slli_epi32(y, 16))};
    w[1] = {_mm256_castsi256_ps(_mm256_and_si256(x, high)),
            _mm256_castsi256_ps(_mm256_and_si256(y, high))};
  }
  static void DecodeFp8(const uint8_t* p, Vec* w) {
    __m256 x[4], y[4];
    Decode8(p, x);
    Decode8(p + 32, y);
    for (int j = 0; j < 4; ++j) w[j] = {x[j], y[j]};
  }
  static Vec LoadBf16(const uint16_t* p) { return {Load8(p), Load8(p + 8)}; }

 private:
  static __m256 Scale8(__m256 x, __m256 n) {
    return _mm256_castsi256_ps(
        _mm256_add_epi32(_mm256_castps_si256(x), _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23)));
  }
  static __m256 Load8(const uint16_t* p) {
    const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
  }
  // Eight channels of four codes. An e4m3 code, moved into the exponent and mantissa of a half
  // float, is its value times 2^-8; the hardware converts halves, subnormal ones included, exactly.
  static void Decode8(const uint8_t* p, __m256* w) {
    const __m256i transpose =
        _mm256_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15,  //
                         0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m256i join = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    x = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(x, transpose), join);  // k0 | k1 || k2 | k3
    const __m256i keep = _mm256_set1_epi16(static_cast<short>(0xbf80));
    const __m256i zero = _mm256_setzero_si256();
    const __m256i even =
        _mm256_and_si256(_mm256_srai_epi16(_mm256_unpacklo_epi8(zero, x), 1), keep);  // k0 || k2
    const __m256i odd =
        _mm256_and_si256(_mm256_srai_epi16(_mm256_unpackhi_epi8(zero, x), 1), keep);  // k1 || k3
    const __m256 scale = _mm256_set1_ps(256.0f);
    w[0] = _mm256_mul_ps(_mm256_cvtph_ps(_mm256_castsi256_si128(even)), scale);
    w[1] = _mm256_mul_ps(_mm256_cvtph_ps(_mm256_castsi256_si128(odd)), scale);
    w[2] = _mm256_mul_ps(_mm256_cvtph_ps(_mm256_extracti128_si256(even, 1)), scale);
    w[3] = _mm256_mul_ps(_mm256_cvtph_ps(_mm256_extracti128_si256(odd, 1)), scale);
  }
};

}  // namespace conclave::kernels::avx2
