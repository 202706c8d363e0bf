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
  static Acc Zero() { return {_mm512_setzero_si512()}; }
  // A table of 16 signed significands gives every byte its own, in the high byte of a word; what is
  // in its low byte is masked away or shifted out.
  static void Decode(const uint8_t* p, Words* w) {
    const __m512i codes = _mm512_loadu_si512(p);
    const __m512i significands = _mm512_permutexvar_epi8(
        codes, _mm512_broadcast_i32x4(_mm_setr_epi8(32, 36, 40, 44, 48, 52, 56, 60, -32, -36, -40,
                                                    -44, -48, -52, -56, -60)));
    const __m512i low_shift =
        _mm512_and_si512(_mm512_srli_epi16(codes, 4), _mm512_set1_epi16(0x0f));
    w[0].v = _mm512_srav_epi16(_mm512_slli_epi16(significands, 8), low_shift);
    w[1].v = _mm512_srav_epi16(_mm512_and_si512(significands, _mm512_set1_epi16(-256)),
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
  static void AddScaled(Acc acc, float scale, bool first, float* total) {
    const __m512 before = _mm512_maskz_loadu_ps(first ? 0 : 0xffff, total);
    _mm512_storeu_ps(total,
                     _mm512_fmadd_ps(_mm512_set1_ps(scale), _mm512_cvtepi32_ps(acc.v), before));
  }

 private:
  using Pair [[gnu::may_alias, gnu::aligned(2)]] = int32_t;
};

}  // namespace
#endif

void GemmInt16Vnni(const GemmParams& params, int panel_begin, int panel_end) {
#if defined(__x86_64__)
  GemmInt16Kernel<VnniWordDot>::Run(params, panel_begin, panel_end);
#else
  GemmInt16Portable(params, panel_begin, panel_end);
#endif
}

}  // namespace conclave::kernels
