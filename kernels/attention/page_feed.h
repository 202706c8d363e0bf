// Cached pages as float32, and fetching pages ahead.
#pragma once

#include <cstring>

#include "kernels/attention/mla.h"
#include "kernels/attention/mla_int16_rope.h"
#include "kernels/base/dtypes.h"

namespace conclave::kernels {

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

// Fetches a page into the second-level cache, a little with every step, evenly: more lines at once
// than that cache can wait for would hold up everything. Held by value in registers.
struct PageFetch {
  const uint8_t* ahead = nullptr;
  int64_t each = 0;  // bytes a step, at most a line
  const uint8_t* end = nullptr;

  // `bytes` at `page` in about so many steps; null: nothing, `other` is touched instead.
  [[gnu::always_inline]] static inline PageFetch Of(const uint8_t* page, int64_t bytes,
                                                    int64_t steps, const uint8_t* other) {
    if (page == nullptr) return {other, 0, other};
    const int64_t each = (bytes + steps - 1) / steps;
    return {page, each < 64 ? each : 64, page + bytes};
  }
  [[gnu::always_inline]] inline void Step() {
    __builtin_prefetch(ahead, 0, 2);
    ahead += each;
  }
  [[gnu::always_inline]] inline void Rest() const {
    for (const uint8_t* at = ahead; at < end; at += 64) __builtin_prefetch(at, 0, 2);
  }
};

// Every type and width; `out` [tokens, stride].
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

  // Codes become (code * step) * gain; see MlaDecodeToken.
  static void Int16(const uint8_t* from, int count, float step, const float* gain, float* out) {
    using V = typename O::V;
    const int16_t* codes = reinterpret_cast<const int16_t*>(from);
    int i = 0;
    for (; i + 16 <= count; i += 16) {
      const V value = V::Mul(O::LoadCodes(codes + i), V::Set1(step));
      (gain == nullptr ? value : V::Mul(value, V::Load(gain + i))).Store(out + i);
    }
    for (; i < count; ++i)
      out[i] = static_cast<float>(codes[i]) * step * (gain == nullptr ? 1.0f : gain[i]);
  }

  static void Run(const MlaCacheShape& shape, const uint8_t* page, int tokens, const float* gain,
                  float* out, int64_t stride) {
    const int64_t token_bytes = shape.TokenBytes();
    const int width = shape.latent + shape.rope;
    for (int t = 0; t < tokens; ++t, page += token_bytes, out += stride) {
      if (shape.type == KvType::kF32) {
        std::memcpy(out, page, sizeof(float) * width);
      } else if (shape.type == KvType::kBf16) {
        Bf16(page, width, out);
      } else if (shape.type == KvType::kInt16) {
        const uint8_t* rope = page + 2 * shape.latent;
        Int16(page, shape.latent, MlaInt16Step(shape.latent), gain, out);
        Int16(rope, shape.rope, Int16RopeScale(rope), nullptr, out + shape.latent);
      } else {
        const uint8_t* scales = page + shape.latent;
        Fp8(page, scales, shape.latent, out);
        Bf16(scales + 4 * MlaFp8Groups(shape.latent), shape.rope, out + shape.latent);
      }
    }
  }
};

}  // namespace conclave::kernels
