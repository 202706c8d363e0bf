// Cached pages as float32. Large bf16 pages are turned a little at a time between the multiply-adds
// of the page before, while the page after it comes from memory: a loop of its own would cost a
// quarter of the attention of 16 heads. Small ones, which stay in the first-level cache, and other
// types are turned in a loop of their own.
#pragma once

#include <cstring>

#include "kernels/attention/mla.h"
#include "kernels/base/dtypes.h"

namespace conclave::kernels {

// A page that is one run of bf16, in steps of 32 values in split order.
template <class O>
struct PageFeed {
  static constexpr bool kActive = true;
  const uint16_t* from = nullptr;
  float* to = nullptr;
  const uint8_t* ahead = nullptr;  // fetched into the second-level cache
  int64_t steps = 0;

  int64_t left() const { return steps; }
  // Always inlined: a call would spill the accumulators around it. Only with left() > 0.
  [[gnu::always_inline]] inline void Step() {
    O::SplitBf16(from, to);
    __builtin_prefetch(ahead, 0, 2);
    from += 32;
    to += 32;
    ahead += 64;
    --steps;
  }
};

// Only fetches, some lines a step.
template <int kLines>
struct FetchFeed {
  static constexpr bool kActive = true;
  const uint8_t* ahead = nullptr;
  int64_t steps = 0;

  // What comes after, or nothing to do when it is null.
  static FetchFeed Of(const uint8_t* later, int64_t offset, int64_t bytes) {
    if (later == nullptr) return {};
    return {later + offset, (bytes + 64 * kLines - 1) / (64 * kLines)};
  }
  int64_t left() const { return steps; }
  [[gnu::always_inline]] inline void Step() {
#pragma GCC unroll 4
    for (int i = 0; i < kLines; ++i) __builtin_prefetch(ahead + 64 * i, 0, 2);
    ahead += 64 * kLines;
    --steps;
  }
};

// Every type and width; `out` [tokens, stride], in split order or as cached.
template <class O>
struct PageCopy {
  static void Bf16(const uint8_t* from, int count, float* out) {
    int i = 0;
    for (; i + 32 <= count; i += 32)
      O::WidenBf16(reinterpret_cast<const uint16_t*>(from) + i, out + i);
    for (; i < count; ++i) {
      uint16_t bits;
      std::memcpy(&bits, from + 2 * i, 2);
      out[i] = DecodeBf16(bits);
    }
  }

  static void Fp8(const uint8_t* codes, const uint8_t* scales, int count, float* out) {
    for (int begin = 0; begin < count; begin += kMlaFp8Group, scales += 4) {
      float scale;
      std::memcpy(&scale, scales, 4);
      const int end = count - begin < kMlaFp8Group ? count : begin + kMlaFp8Group;
      int i = begin;
      for (; i + 32 <= end; i += 32) O::WidenFp8(codes + i, scale, out + i);
      for (; i < end; ++i) out[i] = DecodeE4m3(codes[i]) * scale;
    }
  }

  static void Run(const MlaCacheShape& shape, const uint8_t* page, int tokens, float* out,
                  int64_t stride, bool split) {
    const int64_t token_bytes = shape.TokenBytes();
    const int width = shape.latent + shape.rope;
    for (int t = 0; t < tokens; ++t, page += token_bytes, out += stride) {
      if (shape.type == KvType::kF32) {
        std::memcpy(out, page, sizeof(float) * width);
      } else if (split) {
        for (int i = 0; i < width; i += 32)
          O::SplitBf16(reinterpret_cast<const uint16_t*>(page) + i, out + i);
      } else if (shape.type == KvType::kBf16) {
        Bf16(page, width, out);
      } else {
        const uint8_t* scales = page + shape.latent;
        Fp8(page, scales, shape.latent, out);
        Bf16(scales + 4 * MlaFp8Groups(shape.latent), shape.rope, out + shape.latent);
      }
    }
  }
};

}  // namespace conclave::kernels
