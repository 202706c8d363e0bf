// A page of the cache as float32: keys transposed, so that a lane is a token, values as they lie.
// Data movement only. Transposing is written with the compiler's vectors, which every instruction
// set has.
#pragma once

#include <cstring>

#include "kernels/attention/gqa.h"
#include "kernels/base/dtypes.h"

namespace conclave::kernels {

template <class V>
struct GqaPage {
  using F8 = float __attribute__((vector_size(32)));
  using U8 = uint32_t __attribute__((vector_size(32)));

  static float Value(const uint8_t* p, int i, bool bf16) {
    if (!bf16) {
      float value;
      std::memcpy(&value, p + 4 * static_cast<int64_t>(i), 4);
      return value;
    }
    uint16_t bits;
    std::memcpy(&bits, p + 2 * static_cast<int64_t>(i), 2);
    return DecodeBf16(bits);
  }
  static void Transpose(F8* r) {
    F8 t[8], u[8];
    for (int i = 0; i < 8; i += 2) {
      t[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
      t[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    for (int i = 0; i < 8; i += 4) {
      for (int j = 0; j < 2; ++j) {
        u[i + 2 * j] = __builtin_shufflevector(t[i + j], t[i + 2 + j], 0, 1, 8, 9, 4, 5, 12, 13);
        u[i + 2 * j + 1] =
            __builtin_shufflevector(t[i + j], t[i + 2 + j], 2, 3, 10, 11, 6, 7, 14, 15);
      }
    }
    for (int i = 0; i < 4; ++i) {
      r[i] = __builtin_shufflevector(u[i], u[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
      r[i + 4] = __builtin_shufflevector(u[i], u[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
  }

  // keys [head_dim][64]: tokens 0 .. tokens - 1, then zeros up to a multiple of 16.
  template <bool kBf16>
  static void Keys(const GqaSplitParams& p, const uint8_t* page, int tokens, float* keys) {
    // Eight tokens times eight words of 4 bytes: a float32, or two bf16 channels.
    constexpr int kDims = kBf16 ? 16 : 8, kBytes = kBf16 ? 2 : 4;
    const int whole_tokens = tokens / 8 * 8, whole_dims = p.head_dim / kDims * kDims;
    for (int t = 0; t < whole_tokens; t += 8) {
      const uint8_t* from = page + t * p.token_stride;
      for (int d = 0; d < whole_dims; d += kDims) {
        F8 block[8];
        for (int i = 0; i < 8; ++i)
          std::memcpy(&block[i], from + i * p.token_stride + d * kBytes, sizeof(F8));
        Transpose(block);
        float* out = keys + d * kGqaPageTokens + t;
        for (int i = 0; i < 8; ++i) {
          if constexpr (kBf16) {
            U8 pairs;
            std::memcpy(&pairs, &block[i], sizeof(pairs));
            const U8 even = pairs << 16, odd = pairs & 0xffff0000u;
            std::memcpy(out + 2 * i * kGqaPageTokens, &even, sizeof(even));
            std::memcpy(out + (2 * i + 1) * kGqaPageTokens, &odd, sizeof(odd));
          } else {
            std::memcpy(out + i * kGqaPageTokens, &block[i], sizeof(F8));
          }
        }
      }
      for (int d = whole_dims; d < p.head_dim; ++d)
        for (int i = 0; i < 8; ++i)
          keys[d * kGqaPageTokens + t + i] = Value(from + i * p.token_stride, d, kBf16);
    }
    const int padded = (tokens + 15) / 16 * 16;
    for (int d = 0; d < p.head_dim && whole_tokens < padded; ++d) {
      float* row = keys + d * kGqaPageTokens;
      for (int t = whole_tokens; t < tokens; ++t)
        row[t] = Value(page + t * p.token_stride, d, kBf16);
      for (int t = tokens; t < padded; ++t) row[t] = 0;
    }
  }

  // values [tokens][GqaWidth], zeros behind head_dim.
  template <bool kBf16>
  static void Values(const GqaSplitParams& p, const uint8_t* page, int tokens, float* values) {
    const int width = GqaWidth(p.head_dim), whole = p.head_dim / 16 * 16;
    for (int t = 0; t < tokens; ++t, values += width) {
      const uint8_t* from = page + t * p.token_stride + p.value_offset;
      for (int d = 0; d < whole; d += 16) {
        if constexpr (kBf16) {
          V::LoadBf16(reinterpret_cast<const uint16_t*>(from) + d).Store(values + d);
        } else {
          V::Load(reinterpret_cast<const float*>(from) + d).Store(values + d);
        }
      }
      for (int d = whole; d < p.head_dim; ++d) values[d] = Value(from, d, kBf16);
      for (int d = p.head_dim; d < width; ++d) values[d] = 0;
    }
  }

  static void Decode(const GqaSplitParams& p, const uint8_t* page, int tokens, float* keys,
                     float* values) {
    if (p.kv_bf16) {
      Keys<true>(p, page, tokens, keys);
      Values<true>(p, page, tokens, values);
    } else {
      Keys<false>(p, page, tokens, keys);
      Values<false>(p, page, tokens, values);
    }
  }
};

}  // namespace conclave::kernels
