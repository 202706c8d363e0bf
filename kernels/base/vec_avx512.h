// Sixteen float32 lanes in one AVX-512 register. Include only in *_avx512.cc.
#pragma once

#include <immintrin.h>

#include "kernels/base/dtypes.h"

namespace conclave::kernels::avx512 {

struct Vec {
  static constexpr int kLanes = 16;
  static constexpr int kAccumulators = 20;  // of a register block that also decodes
  static constexpr int kFusedRows = 8;      // more rows share a decoded block
  static constexpr bool kManyRegisters = true;
  __m512 v;

  static Vec Zero() { return {_mm512_setzero_ps()}; }
  static Vec Set1(float x) { return {_mm512_set1_ps(x)}; }
  static Vec Load(const float* p) { return {_mm512_loadu_ps(p)}; }
  void Store(float* p) const { _mm512_storeu_ps(p, v); }
  static Vec Fma(Vec x, Vec y, Vec z) { return {_mm512_fmadd_ps(x.v, y.v, z.v)}; }
  static Vec Add(Vec x, Vec y) { return {_mm512_add_ps(x.v, y.v)}; }
  static Vec Sub(Vec x, Vec y) { return {_mm512_sub_ps(x.v, y.v)}; }
  static Vec Mul(Vec x, Vec y) { return {_mm512_mul_ps(x.v, y.v)}; }
  static Vec Div(Vec x, Vec y) { return {_mm512_div_ps(x.v, y.v)}; }
  static Vec Max(Vec x, Vec y) { return {_mm512_max_ps(x.v, y.v)}; }
  static Vec Min(Vec x, Vec y) { return {_mm512_min_ps(x.v, y.v)}; }
  static Vec ScaleByPowerOfTwo(Vec x, Vec n) {
    return {_mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x.v),
                                                 _mm512_slli_epi32(_mm512_cvtps_epi32(n.v), 23)))};
  }
  static void DecodeF32(const uint8_t* p, Vec* w) {
    w[0] = Load(reinterpret_cast<const float*>(p));
  }
  static void DecodeBf16(const uint8_t* p, Vec* w) { Split(_mm512_loadu_si512(p), w); }
  // Codes as base/fp8_code.h packs them, times 2^-8. vpmultishiftqb takes any 8 bits in a row of a
  // channel pair's quadword for each byte: the code itself becomes the upper byte, the 8 bits that
  // begin with the lowest exponent bit the second.
  static void DecodeFp8(const uint8_t* p, Vec* w) {
    const __m512i codes = _mm512_loadu_si512(p);
    const __m512i mask = _mm512_set1_epi32(static_cast<int>(0x87f00000u));
    const __m512i bias = _mm512_set1_epi32(0x38000000);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const uint64_t low =
          static_cast<uint64_t>((8 * j + 63) % 64) << 16 | static_cast<uint64_t>(8 * j) << 24;
      const uint64_t high =
          static_cast<uint64_t>(8 * j + 31) << 16 | static_cast<uint64_t>(8 * j + 32) << 24;
      const __m512i shifts = _mm512_set1_epi64(static_cast<int64_t>(high << 32 | low));
      w[j].v = _mm512_castsi512_ps(_mm512_ternarylogic_epi32(
          _mm512_multishift_epi64_epi8(shifts, codes), mask, bias, 0xea));  // (a & b) | c
    }
  }
  // Irregular codes: see base/fp8_code.h.
  static Vec FixFp8(Vec w) {
    const __m512i bits = _mm512_castps_si512(w.v);
    const __mmask16 irregular = _mm512_cmpeq_epi32_mask(
        _mm512_and_si512(bits, _mm512_set1_epi32(0x07900000)), _mm512_set1_epi32(0x00100000));
    const __m512i excess =
        _mm512_ternarylogic_epi32(bits, _mm512_set1_epi32(static_cast<int>(0x80000000u)),
                                  _mm512_castps_si512(_mm512_set1_ps(0x1p-15f + 0x1p-18f)), 0xea);
    return {_mm512_mask_sub_ps(w.v, irregular, w.v, _mm512_castsi512_ps(excess))};
  }
  static Vec LoadBf16(const uint16_t* p) {
    const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16))};
  }
  static Vec SetPair(const float* p) {
    return {_mm512_castpd_ps(_mm512_set1_pd(*reinterpret_cast<const double*>(p)))};
  }
  static Vec PairSums(Vec x, Vec y) {
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_or_si512(even, _mm512_set1_epi32(1));
    return {_mm512_add_ps(_mm512_permutex2var_ps(x.v, even, y.v),
                          _mm512_permutex2var_ps(x.v, odd, y.v))};
  }
  static Vec SwapHalves(Vec x) { return {_mm512_shuffle_f32x4(x.v, x.v, _MM_SHUFFLE(1, 0, 3, 2))}; }
  static Vec LoadFirst(const float* p, int n) {
    return {_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p)};
  }
  void StoreFirst(float* p, int n) const {
    _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), v);
  }
  // One permute per 16 values: words go to the upper halves, the lower ones are zeroed.
  static void WidenBf16(const uint16_t* p, float* out) {
    const __m512i x = _mm512_loadu_si512(p);
    const __m512i low = WordsToUpperHalves(0), high = WordsToUpperHalves(16);
    _mm512_storeu_si512(out, _mm512_maskz_permutexvar_epi16(0xaaaaaaaau, low, x));
    _mm512_storeu_si512(out + 16, _mm512_maskz_permutexvar_epi16(0xaaaaaaaau, high, x));
  }
  static void SplitBf16(const uint16_t* p, float* out) {
    Vec w[2];
    Split(_mm512_loadu_si512(p), w);
    w[0].Store(out);
    w[1].Store(out + 16);
  }
  static void WidenFp8(const uint8_t* p, float scale, float* out) {
    const __m256i codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    const __m512i words = _mm512_srai_epi16(_mm512_slli_epi16(_mm512_cvtepu8_epi16(codes), 8), 1);
    // As half floats these are the values times 2^-8.
    const __m512i half = _mm512_and_si512(words, _mm512_set1_epi16(static_cast<short>(0xbf80)));
    const __m512 unit = _mm512_set1_ps(256.0f), s = _mm512_set1_ps(scale);
    const __m512 a = _mm512_cvtph_ps(_mm512_castsi512_si256(half)),
                 b = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(half, 1));
    _mm512_storeu_ps(out, _mm512_mul_ps(_mm512_mul_ps(a, unit), s));
    _mm512_storeu_ps(out + 16, _mm512_mul_ps(_mm512_mul_ps(b, unit), s));
  }

 private:
  // Index of vpermw that puts words first .. first + 15 into the odd positions.
  static __m512i WordsToUpperHalves(int first) {
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return _mm512_slli_epi32(_mm512_add_epi32(lane, _mm512_set1_epi32(first)), 16);
  }
  static void Split(__m512i pairs, Vec* w) {
    w[0].v = _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
    w[1].v = _mm512_castsi512_ps(
        _mm512_and_si512(pairs, _mm512_set1_epi32(static_cast<int>(0xffff0000u))));
  }
};

}  // namespace conclave::kernels::avx512
