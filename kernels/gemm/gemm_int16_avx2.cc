#include "kernels/gemm/gemm_int16_kernel.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace conclave::kernels {
#if defined(__x86_64__)
namespace {

struct Avx2WordDot {
  static constexpr int kSums = 4;
  struct Acc {
    __m256i a, b;  // channels 0..7, 8..15
  };
  struct Words {
    __m256i a, b;
  };
  struct Factor {
    __m256 a, b;
  };
  static Acc Zero() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }

  // 32 codes. There is no shift by words: the high half of a product with 2^(15 - shift) is the
  // same, with significands of twice the size; 2^15 counts as negative, which the last step undoes.
  static void DecodeHalf(__m256i codes, __m256i* low, __m256i* high) {
    const auto table = [](__m128i half) { return _mm256_broadcastsi128_si256(half); };
    const __m256i nibble = _mm256_set1_epi8(0x0f), upper = _mm256_set1_epi16(-256);
    const __m256i significands =
        _mm256_shuffle_epi8(table(_mm_setr_epi8(64, 72, 80, 88, 96, 104, 112, 120, -64, -72, -80,
                                                -88, -96, -104, -112, -120)),
                            _mm256_and_si256(codes, nibble));
    const __m256i shifts = _mm256_and_si256(_mm256_srli_epi16(codes, 4), nibble);
    // 2^(15 - shift) in two bytes.
    const __m256i power_high = _mm256_shuffle_epi8(
        table(_mm_setr_epi8(-128, 64, 32, 16, 8, 4, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0)), shifts);
    const __m256i power_low = _mm256_shuffle_epi8(
        table(_mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, -128, 64, 32, 16, 8, 4, 2, 1)), shifts);
    const auto shift = [](__m256i value, __m256i power) {
      return _mm256_sign_epi16(_mm256_mulhi_epi16(value, power), power);
    };
    *low = shift(
        _mm256_slli_epi16(significands, 8),
        _mm256_or_si256(_mm256_slli_epi16(power_high, 8), _mm256_andnot_si256(upper, power_low)));
    *high = shift(
        _mm256_and_si256(significands, upper),
        _mm256_or_si256(_mm256_and_si256(power_high, upper), _mm256_srli_epi16(power_low, 8)));
  }
  static void Decode(const uint8_t* p, Words* w) {
    DecodeHalf(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)), &w[0].a, &w[1].a);
    DecodeHalf(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32)), &w[0].b, &w[1].b);
  }
  static Words Load(const int16_t* p) {
    return {_mm256_load_si256(reinterpret_cast<const __m256i*>(p)),
            _mm256_load_si256(reinterpret_cast<const __m256i*>(p + 16))};
  }
  static void Store(const Words& w, int16_t* p) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(p), w.a);
    _mm256_store_si256(reinterpret_cast<__m256i*>(p + 16), w.b);
  }
  static __m256i Broadcast(const int16_t* x) {
    return _mm256_set1_epi32(*reinterpret_cast<const Pair*>(x));
  }
  static Acc Dot(const Acc& acc, const Words& w, __m256i x) {
    return {_mm256_add_epi32(acc.a, _mm256_madd_epi16(w.a, x)),
            _mm256_add_epi32(acc.b, _mm256_madd_epi16(w.b, x))};
  }
  static Acc Dot(const Acc& acc, const Words& w, const int16_t* x) {
    return Dot(acc, w, Broadcast(x));
  }
  static Factor Same(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
  static Factor Factors(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  static void AddScaled(const Acc& acc, const Factor& scale, const Factor& x_scale, bool first,
                        float* total) {
    const auto add = [&](__m256i sums, __m256 by, float* to) {
      const __m256 before = first ? _mm256_setzero_ps() : _mm256_loadu_ps(to);
      _mm256_storeu_ps(to, _mm256_fmadd_ps(by, _mm256_cvtepi32_ps(sums), before));
    };
    add(acc.a, _mm256_mul_ps(scale.a, x_scale.a), total);
    add(acc.b, _mm256_mul_ps(scale.b, x_scale.b), total + 8);
  }

 private:
  using Pair [[gnu::may_alias, gnu::aligned(2)]] = int32_t;
};

}  // namespace
#endif

void GemmInt16Avx2(const GemmParams& params, int panel_begin, int panel_end) {
#if defined(__x86_64__)
  GemmInt16On<Avx2WordDot>(params, panel_begin, panel_end);
#else
  GemmInt16Portable(params, panel_begin, panel_end);
#endif
}

}  // namespace conclave::kernels
