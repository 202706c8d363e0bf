#include "kernels/gemm/gemm_int8_tiles.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace conclave::kernels {
#if defined(__x86_64__)
namespace {

// Assembly, because the compiler's intrinsics for loads do not say that they read memory.
struct AmxUnit {
  static void Configure(const TileConfig& config) { asm volatile("ldtilecfg %0" : : "m"(config)); }
  static void Release() { asm volatile("tilerelease"); }
  template <int kT>
  static void Zero() {
    asm volatile("tilezero %%tmm%c0" : : "i"(kT));
  }
  template <int kT>
  static void Load(const void* p, int64_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(p), "r"(stride), "i"(kT) : "memory");
  }
  template <int kT>
  static void Store(void* p, int64_t stride) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(p), "r"(stride), "i"(kT) : "memory");
  }
  template <int kSums, int kCodes, int kWeights>
  static void Dot() {
    asm volatile("tdpbsud %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSums), "i"(kCodes), "i"(kWeights));
  }
  static void AddScaled(const int32_t* sums, int32_t offset, const float* scales, float row_scale,
                        float* total) {
    const __m512i sum = _mm512_add_epi32(_mm512_load_si512(sums), _mm512_set1_epi32(offset));
    const __m512 scale = _mm512_mul_ps(_mm512_loadu_ps(scales), _mm512_set1_ps(row_scale));
    _mm512_store_ps(total, _mm512_fmadd_ps(scale, _mm512_cvtepi32_ps(sum), _mm512_load_ps(total)));
  }
};

}  // namespace
#endif

void GemmInt8Amx(const GemmParams& params, int panel_begin, int panel_end) {
#if defined(__x86_64__)
  GemmInt8Tiles<AmxUnit>::Run(params, panel_begin, panel_end);
#else
  GemmInt8Portable(params, panel_begin, panel_end);
#endif
}

}  // namespace conclave::kernels
