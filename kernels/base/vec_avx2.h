// Sixteen float32 lanes as two AVX2 registers. Include only in *_avx2.cc.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/base/fp8_code.h"

namespace conclave::kernels::avx2 {

struct Vec {
  static constexpr int kLanes = 16;
  static constexpr int kAccumulators = 4;
  static constexpr int kFusedRows = 4;
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
  static Vec FmaAll(const float* x, Vec y, Vec z) { return Fma(Set1(*x), y, z); }
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
  // Codes as base/fp8_code.h packs them, times 2^-8: [s e0 mmm eee] in the lower 8 bits of each
  // lane's quarter.
  static void DecodeFp8(const uint8_t* p, Vec* w) {
    const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32));
    Decode8(a, w, &Vec::a);
    Decode8(b, w, &Vec::b);
  }
  // Whether any of 64 codes is irregular.
  static bool AnyIrregularFp8(const uint8_t* p) {
    bool any = false;
    for (int i = 0; i < 64; ++i) any |= IsIrregularFp8(p[i]);
    return any;
  }
  // What DecodeFp8's result lacks where the code is irregular, else 0: see base/fp8_code.h.
  static Vec CorrectFp8(Vec w) { return {Correct8(w.a), Correct8(w.b)}; }
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
  // Eight channels of four codes.
  static void Decode8(__m256i codes, Vec* w, __m256 Vec::*half) {
    const __m256i top = _mm256_set1_epi32(static_cast<int>(0x87000000u));
    const __m256i middle = _mm256_set1_epi32(0x00f00000);
    const __m256i bias = _mm256_set1_epi32(0x38000000);
    const __m256i at[4] = {_mm256_slli_epi32(codes, 24), _mm256_slli_epi32(codes, 16),
                           _mm256_slli_epi32(codes, 8), codes};
    for (int j = 0; j < 4; ++j) {
      const __m256i mantissa = _mm256_and_si256(_mm256_srli_epi32(at[j], 7), middle);
      w[j].*half = _mm256_castsi256_ps(
          _mm256_or_si256(_mm256_or_si256(_mm256_and_si256(at[j], top), bias), mantissa));
    }
  }
  static __m256 Correct8(__m256 w) {
    const __m256i bits = _mm256_castps_si256(w);
    const __m256i irregular = _mm256_cmpeq_epi32(
        _mm256_and_si256(bits, _mm256_set1_epi32(0x07900000)), _mm256_set1_epi32(0x00100000));
    const __m256 excess =
        _mm256_or_ps(_mm256_and_ps(w, _mm256_set1_ps(-0.0f)), _mm256_set1_ps(kFp8Excess));
    return _mm256_and_ps(_mm256_castsi256_ps(irregular),
                         _mm256_sub_ps(_mm256_setzero_ps(), excess));
  }
};

}  // namespace conclave::kernels::avx2
