// What attention needs beside the vector of base/vec_avx512.h. Include only in *_avx512.cc.
#pragma once

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
  static void SplitBf16(const uint16_t* p, float* out) {
    const __m512i x = _mm512_loadu_si512(p);
    _mm512_storeu_si512(out, _mm512_slli_epi32(x, 16));
    _mm512_storeu_si512(out + 16,
                        _mm512_and_si512(x, _mm512_set1_epi32(static_cast<int>(0xffff0000u))));
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
};

}  // namespace conclave::kernels::avx512
