// What attention needs beside the vector of base/vec_avx512.h. Include only in *_avx512.cc.
#pragma once

#include <cstring>

#include "kernels/base/vec_avx512.h"

namespace conclave::kernels::avx512 {

struct TileOps {
  using V = Vec;
  static constexpr bool kManyRegisters = true;

  static V SetQuad(const float* p) { return {_mm512_broadcast_f32x4(_mm_loadu_ps(p))}; }
  static V PairSums(V x, V y) {
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_or_si512(even, _mm512_set1_epi32(1));
    return {_mm512_add_ps(_mm512_permutex2var_ps(x.v, even, y.v),
                          _mm512_permutex2var_ps(x.v, odd, y.v))};
  }
  static V SwapHalves(V x) { return {_mm512_shuffle_f32x4(x.v, x.v, _MM_SHUFFLE(1, 0, 3, 2))}; }
  static V LoadFirst(const float* p, int n) {
    return {_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p)};
  }
  static void StoreFirst(V x, float* p, int n) {
    _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), x.v);
  }
  static void WidenBf16(const uint16_t* p, float* out) {
    for (int i = 0; i < 32; i += 16) V::LoadBf16(p + i).Store(out + i);
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

  struct Ints {
    __m512i v;
  };
  static Ints LoadInts(const int16_t* p) { return {_mm512_loadu_si512(p)}; }
  static void StoreInts(Ints x, int16_t* p) { _mm512_storeu_si512(p, x.v); }
  static Ints ZeroInts() { return {_mm512_setzero_si512()}; }
  static Ints SetTwo(const int16_t* p) {
    int32_t two;
    std::memcpy(&two, p, sizeof(two));
    return {_mm512_set1_epi32(two)};
  }
  static Ints SetFour(const int16_t* p) {
    int64_t four;
    std::memcpy(&four, p, sizeof(four));
    return {_mm512_set1_epi64(four)};
  }
  static Ints Dot(Ints sum, Ints x, Ints y) {
    return {_mm512_add_epi32(sum.v, _mm512_madd_epi16(x.v, y.v))};
  }
  static Ints DotTwo(Ints sum, const int16_t* p, Ints y) { return Dot(sum, SetTwo(p), y); }
  static Ints PairSums(Ints x, Ints y) {
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_or_si512(even, _mm512_set1_epi32(1));
    return {_mm512_add_epi32(_mm512_permutex2var_epi32(x.v, even, y.v),
                             _mm512_permutex2var_epi32(x.v, odd, y.v))};
  }
  static V ToFloat(Ints x) { return {_mm512_cvtepi32_ps(x.v)}; }
  static void Weave(const int16_t* a, const int16_t* b, Ints* out) {
    const __m512i x = _mm512_loadu_si512(a), y = _mm512_loadu_si512(b);
    out[0].v = _mm512_unpacklo_epi16(x, y);
    out[1].v = _mm512_unpackhi_epi16(x, y);
  }
  static void StoreCodes(V x, int16_t* p) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(x.v)));
  }
  static Ints PairCodes(V low, V high) {
    const __m512i upper = _mm512_slli_epi32(_mm512_cvtps_epi32(high.v), 16);
    return {_mm512_mask_blend_epi16(0xaaaaaaaau, _mm512_cvtps_epi32(low.v), upper)};
  }
  // As instructions, so that the factors are broadcast by the multiplications.
  static V ScaleAll(V x, const float* p) {
    asm("vmulps %1%{1to16%}, %0, %0" : "+v"(x.v) : "m"(*p));
    return x;
  }
  static V ScaleHalves(V x, const float* p) {
    const __mmask16 low = 0x00ff, high = 0xff00;
    asm("vmulps %1%{1to16%}, %0, %0%{%2%}" : "+v"(x.v) : "m"(p[0]), "Yk"(low));
    asm("vmulps %1%{1to16%}, %0, %0%{%2%}" : "+v"(x.v) : "m"(p[1]), "Yk"(high));
    return x;
  }
  static V LowHalves(V x, V y) { return {_mm512_shuffle_f32x4(x.v, y.v, _MM_SHUFFLE(1, 0, 1, 0))}; }
  static V HighHalves(V x, V y) {
    return {_mm512_shuffle_f32x4(x.v, y.v, _MM_SHUFFLE(3, 2, 3, 2))};
  }
  static V LoadCodes(const int16_t* p) {
    const __m256i codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return {_mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(codes))};
  }
};

// With VNNI. As instructions: the intrinsic makes GCC 12 copy accumulators to and fro.
struct VnniTileOps : TileOps {
  static Ints Dot(Ints sum, Ints x, Ints y) {
    asm("vpdpwssd %2, %1, %0" : "+v"(sum.v) : "v"(x.v), "v"(y.v));
    return sum;
  }
  static Ints DotTwo(Ints sum, const int16_t* p, Ints y) {
    const auto* two = reinterpret_cast<const int16_t(*)[2]>(p);
    asm("vpdpwssd %1%{1to16%}, %2, %0" : "+v"(sum.v) : "m"(*two), "v"(y.v));
    return sum;
  }
};

}  // namespace conclave::kernels::avx512
