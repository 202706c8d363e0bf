#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "kernels/base/bf16_dot.h"
#include "kernels/base/vec_portable.h"
#include "kernels/gemm/gemm_bf16dot_kernel.h"

namespace conclave::kernels {
namespace {

struct PortablePairs {
  static constexpr int kTiles = 1;
  using Vec = portable::Vec;
  struct Pairs {
    uint32_t v[kTile];
  };
  static Pairs Load(const uint8_t* p) {
    Pairs pairs;
    std::memcpy(pairs.v, p, 64);
    return pairs;
  }
  static void Store(const Pairs& pairs, uint8_t* p) { std::memcpy(p, pairs.v, 64); }
  static void DecodeFp8(const uint8_t* p, Pairs* pairs) {
    const auto upper = [&](int i) { return std::bit_cast<uint32_t>(RegularFp8(p[i])) >> 16; };
    for (int lane = 0; lane < kTile; ++lane)
      for (int i = 0; i < 2; ++i)
        pairs[i].v[lane] = upper(4 * lane + 2 * i) | upper(4 * lane + 2 * i + 1) << 16;
  }
  static float Low(uint32_t pair) { return std::bit_cast<float>(pair << 16); }
  static float High(uint32_t pair) { return std::bit_cast<float>(pair & 0xffff0000u); }
  static Vec Dot(Vec sums, const Pairs& w, const uint32_t* x) {
    for (int i = 0; i < kTile; ++i)
      sums.v[i] = DotBf16(sums.v[i], Low(*x), Low(w.v[i]), High(*x), High(w.v[i]));
    return sums;
  }
  static void PackRow(const float* x, int k, uint32_t* pairs) {
    std::memset(pairs, 0, PairStride(k) * 4);
    for (int i = 0; i < k; ++i) pairs[i / 2] |= uint32_t{EncodeBf16(x[i])} << (i % 2 * 16);
  }
};

struct FreeAligned {
  void operator()(uint32_t* p) const { std::free(p); }
};

}  // namespace

void GemmBf16DotPortable(const GemmParams& params, int panel_begin, int panel_end) {
  GemmBf16DotOn<PortablePairs>(params, panel_begin, panel_end);
}

uint32_t* PairScratch(int64_t pairs) {
  thread_local std::unique_ptr<uint32_t, FreeAligned> memory;
  thread_local int64_t size = 0;
  if (pairs > size) {
    memory.reset();
    size = 0;
    memory.reset(static_cast<uint32_t*>(std::aligned_alloc(64, (pairs + 15) / 16 * 64)));
    if (memory == nullptr) throw std::bad_alloc();
    size = pairs;
  }
  return memory.get();
}

}  // namespace conclave::kernels
