// Sixteen float32 lanes in one AVX-512 register. Include only in *_avx512.cc.
#pragma once

#include <immintrin.h>

#include "kernels/base/fp8_code.h"

namespace conclave::kernels::avx512 {

struct Vec {
  static constexpr int kLanes = 16;
  static constexpr int kAccumulators = 20;  // of a register block that also decodes
  static constexpr int kFusedRows = 8;      // more rows share a decoded block
  __m512 v;

  static Vec Zero() { return {_mm512_setzero_ps()}; }
  static Vec Set1(float x) { return {_mm512_set1_ps(x)}; }
  static Vec Load(const float* p) { return {_mm512_loadu_ps(p)}; }
  void Store(float* p) const { _mm512_storeu_ps(p, v); }
  static Vec Fma(Vec x, Vec y, Vec z) { return {_mm512_fmadd_ps(x.v, y.v, z.v)}; }
  // *x in all lanes, times y, plus z. As one instruction with a memory operand: kept in registers,
  // the broadcast values of several tiles would push accumulators out.
  static Vec FmaAll(const float* x, Vec y, Vec z) {
    asm("vfmadd231ps %1%{1to16%}, %2, %0" : "+v"(z.v) : "m"(*x), "v"(y.v));
    return z;
  }
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
  // Whether any of 64 codes is irregular.
  static bool AnyIrregularFp8(const uint8_t* p) {
    const __m512i parts = _mm512_and_si512(_mm512_loadu_si512(p), _mm512_set1_epi8(0x4f));
    return _mm512_cmpeq_epi8_mask(parts, _mm512_set1_epi8(0x08)) != 0;
  }
  // What DecodeFp8's result lacks where the code is irregular, else 0: see base/fp8_code.h.
  static Vec CorrectFp8(Vec w) {
    const __m512i bits = _mm512_castps_si512(w.v);
    const __mmask16 irregular = _mm512_cmpeq_epi32_mask(
        _mm512_and_si512(bits, _mm512_set1_epi32(0x07900000)), _mm512_set1_epi32(0x00100000));
    const __m512 excess = _mm512_castsi512_ps(
        _mm512_ternarylogic_epi32(bits, _mm512_set1_epi32(static_cast<int>(0x80000000u)),
                                  _mm512_castps_si512(_mm512_set1_ps(kFp8Excess)), 0xea));
    return {_mm512_maskz_sub_ps(irregular, _mm512_setzero_ps(), excess)};
  }
  static Vec LoadBf16(const uint16_t* p) {
    const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16))};
  }

 private:
  static void Split(__m512i pairs, Vec* w) {
    w[0].v = _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
    w[1].v = _mm512_castsi512_ps(
        _mm512_and_si512(pairs, _mm512_set1_epi32(static_cast<int>(0xffff0000u))));
  }
};

}  // namespace conclave::kernels::avx512
