#include "kernels/gemm/gemm_bf16dot_kernel.h"
#if defined(__x86_64__)
#include "kernels/base/vec_avx512.h"
#endif

namespace conclave::kernels {
#if defined(__x86_64__)
namespace {

struct Avx512Pairs {
  static constexpr int kTiles = 4;
  using Vec = avx512::Vec;
  struct Pairs {
    __m512i v;
  };
  static Pairs Load(const uint8_t* p) { return {_mm512_loadu_si512(p)}; }
  static void Store(Pairs pairs, uint8_t* p) { _mm512_storeu_si512(p, pairs.v); }
  // As avx512::Vec::DecodeFp8, two codes to a lane: bf16 is a float32's upper half.
  static void DecodeFp8(const uint8_t* p, Pairs* pairs) {
    const __m512i codes = _mm512_loadu_si512(p);
    const __m512i mask = _mm512_set1_epi32(static_cast<int>(0x87f087f0u));
    const __m512i bias = _mm512_set1_epi32(0x38003800);
#pragma GCC unroll 2
    for (uint64_t i = 0; i < 2; ++i) {
      const uint64_t at = 16 * i;  // the first code's bit in a channel
      const uint64_t low = (at + 63) % 64 | at << 8 | (at + 7) << 16 | (at + 8) << 24;
      const uint64_t high = (at + 31) | (at + 32) << 8 | (at + 39) << 16 | (at + 40) << 24;
      const __m512i shifts = _mm512_set1_epi64(static_cast<int64_t>(high << 32 | low));
      pairs[i].v = _mm512_ternarylogic_epi32(_mm512_multishift_epi64_epi8(shifts, codes), mask,
                                             bias, 0xea);  // (a & b) | c
    }
  }
  static Vec Dot(Vec sums, Pairs w, const uint32_t* x) {
    asm("vdpbf16ps %1%{1to16%}, %2, %0" : "+v"(sums.v) : "m"(*x), "v"(w.v));
    return sums;
  }
  static void PackRow(const float* x, int k, uint32_t* pairs) {
    for (int i = 0; i < k; i += 32, pairs += 16) {
      const uint64_t left = static_cast<uint64_t>(k - i);
      const uint32_t have = left >= 32 ? ~0u : (1u << left) - 1;
      const __m512 low = _mm512_maskz_loadu_ps(static_cast<__mmask16>(have), x + i);
      const __m512 high = _mm512_maskz_loadu_ps(static_cast<__mmask16>(have >> 16), x + i + 16);
      _mm512_storeu_si512(pairs, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low)));
    }
  }
};

}  // namespace
#endif

void GemmBf16DotAvx512(const GemmParams& params, int panel_begin, int panel_end) {
#if defined(__x86_64__)
  GemmBf16DotOn<Avx512Pairs>(params, panel_begin, panel_end);
#else
  GemmBf16DotPortable(params, panel_begin, panel_end);
#endif
}

uint64_t Bf16DotProbe() {
  uint64_t hash = 14695981039346656037ull;
#if defined(__x86_64__)
  // Sixteen chains of operands over many magnitudes and both signs, so that they cancel too.
  uint64_t state = 1;
  const auto next = [&] {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    const uint32_t bits = static_cast<uint32_t>(state >> 32);
    return (bits & 0x807fu) | (118u + (bits >> 16) % 20u) << 7;  // bf16 of 2^-9 to 2^11
  };
  Avx512Pairs::Vec sums = Avx512Pairs::Vec::Zero();
  for (int step = 0; step < 256; ++step) {
    alignas(64) uint32_t w[kTile];
    for (uint32_t& pair : w) pair = next() | next() << 16;
    const uint32_t x = next() | next() << 16;
    sums = Avx512Pairs::Dot(sums, Avx512Pairs::Load(reinterpret_cast<const uint8_t*>(w)), &x);
    uint32_t bits[kTile];
    sums.Store(reinterpret_cast<float*>(bits));
    for (uint32_t b : bits) hash = (hash ^ b) * 1099511628211ull;
  }
#endif
  return hash;
}

}  // namespace conclave::kernels
