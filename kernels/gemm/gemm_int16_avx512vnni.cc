#include "kernels/gemm/gemm_int16_kernel.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace conclave::kernels {
#if defined(__x86_64__)
namespace {

struct VnniWordDot {
  static constexpr int kSums = 24;
  struct Acc {
    __m512i v;
  };
  struct Words {
    __m512i v;
  };
  struct Factor {
    __m512 v;
  };
  static Acc Zero() { return {_mm512_setzero_si512()}; }
  // Significands come out of tables, 16 signed ones over and over: by words for the codes in low
  // bytes, whose index is what a word's lowest bits say, by bytes for those in high ones.
  static void Decode(const uint8_t* p, Words* w) {
    __m512i codes = _mm512_loadu_si512(p);
    asm("" : "+v"(codes));  // or it is loaded for each use
    const __m512i bytes = _mm512_broadcast_i32x4(
        _mm_setr_epi8(32, 36, 40, 44, 48, 52, 56, 60, -32, -36, -40, -44, -48, -52, -56, -60));
    const __m512i words = _mm512_slli_epi16(_mm512_cvtepi8_epi16(_mm512_castsi512_si256(bytes)), 8);
    // Low bytes shifted by four: as a product of bits it takes one operation, not two.
    const __m512i low_shift = _mm512_maskz_gf2p8affine_epi64_epi8(
        0x5555555555555555ull, codes, _mm512_set1_epi64(0x1020408000000000), 0);
    w[0].v = _mm512_srav_epi16(_mm512_permutexvar_epi16(codes, words), low_shift);
    w[1].v = _mm512_srav_epi16(_mm512_maskz_permutexvar_epi8(0xaaaaaaaaaaaaaaaaull, codes, bytes),
                               _mm512_srli_epi16(codes, 12));
  }
  static Words Load(const int16_t* p) { return {_mm512_load_si512(p)}; }
  static void Store(Words w, int16_t* p) { _mm512_store_si512(p, w.v); }
  static Words Broadcast(const int16_t* x) {
    return {_mm512_set1_epi32(*reinterpret_cast<const Pair*>(x))};
  }
  // The intrinsics make GCC 12 copy accumulators to and fro.
  static Acc Dot(Acc acc, Words w, Words x) {
    asm("vpdpwssd %2, %1, %0" : "+v"(acc.v) : "v"(w.v), "v"(x.v));
    return acc;
  }
  static Acc Dot(Acc acc, Words w, const int16_t* x) {
    asm("vpdpwssd %2%{1to16%}, %1, %0"
        : "+v"(acc.v)
        : "v"(w.v), "m"(*reinterpret_cast<const Pair*>(x)));
    return acc;
  }
  static Factor Same(float x) { return {_mm512_set1_ps(x)}; }
  static Factor Factors(const float* p) { return {_mm512_loadu_ps(p)}; }
  static void AddScaled(Acc acc, Factor scale, Factor x_scale, bool first, float* total) {
    const __m512 before = _mm512_maskz_loadu_ps(first ? 0 : 0xffff, total);
    _mm512_storeu_ps(total, _mm512_fmadd_ps(_mm512_mul_ps(scale.v, x_scale.v),
                                            _mm512_cvtepi32_ps(acc.v), before));
  }

 private:
  using Pair [[gnu::may_alias, gnu::aligned(2)]] = int32_t;
};

}  // namespace
#endif

void GemmInt16Vnni(const GemmParams& params, int panel_begin, int panel_end) {
#if defined(__x86_64__)
  GemmInt16On<VnniWordDot>(params, panel_begin, panel_end);
#else
  GemmInt16Portable(params, panel_begin, panel_end);
#endif
}

}  // namespace conclave::kernels
