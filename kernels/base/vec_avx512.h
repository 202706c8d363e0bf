// Sixteen float32 lanes in one AVX-512 register. Include only in *_avx512.cc.
#pragma once

#include <immintrin.h>

#include "kernels/base/dtypes.h"

namespace conclave::kernels::avx512 {

// The upper half of the float32 of each non-negative e4m3 code, split into its two bytes: the low 7
// bits of a code are the index that vpermi2b takes.
struct E4m3Table {
  alignas(64) uint8_t low[128];
  alignas(64) uint8_t high[128];
};
static constexpr E4m3Table MakeE4m3Table() {
  E4m3Table t{};
  for (int i = 0; i < 128; ++i) {
    const uint32_t bits = std::bit_cast<uint32_t>(DecodeE4m3(static_cast<uint8_t>(i)));
    t.low[i] = static_cast<uint8_t>(bits >> 16);
    t.high[i] = static_cast<uint8_t>(bits >> 24);
  }
  return t;
}
static constexpr E4m3Table kE4m3 = MakeE4m3Table();

struct Vec {
  static constexpr int kLanes = 16;
  static constexpr int kAccumulators = 8;
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
  static void DecodeFp8(const uint8_t* p, Vec* w) {
    // Per 128-bit lane: the first two codes of each of four channels, then the other two.
    const __m512i order =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15));
    const __m512i codes = _mm512_shuffle_epi8(_mm512_loadu_si512(p), order);
    const __m512i low = _mm512_permutex2var_epi8(_mm512_load_si512(kE4m3.low), codes,
                                                 _mm512_load_si512(kE4m3.low + 64));
    __m512i high = _mm512_permutex2var_epi8(_mm512_load_si512(kE4m3.high), codes,
                                            _mm512_load_si512(kE4m3.high + 64));
    high = _mm512_ternarylogic_epi32(high, codes, _mm512_set1_epi8(static_cast<char>(0x80)),
                                     0xf8);  // high | (codes & sign)
    Split(_mm512_unpacklo_epi8(low, high), w);
    Split(_mm512_unpackhi_epi8(low, high), w + 2);
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
