// What attention needs beside the vector of base/vec_portable.h. The other tile_ops_*.h define the
// same operations with intrinsics and give the same bits.
#pragma once

#include <bit>

#include "kernels/base/vec_portable.h"

namespace conclave::kernels::portable {

struct TileOps {
  using V = Vec;
  static constexpr bool kManyRegisters = false;  // 24 accumulators stay in registers

  // p[0] .. p[3], four times.
  static V SetQuad(const float* p) {
    return V::Each([&](int i) { return p[i & 3]; });
  }
  // Sums of neighbouring lanes: those of a, then those of b.
  static V PairSums(V a, V b) {
    return V::Each([&](int i) {
      const float* x = i < 8 ? a.v + 2 * i : b.v + 2 * (i - 8);
      return x[0] + x[1];
    });
  }
  static V SwapHalves(V a) {
    return V::Each([&](int i) { return a.v[i ^ 8]; });
  }
  // Only the first n lanes, 0 <= n <= 16, are read or written; the others are zero.
  static V LoadFirst(const float* p, int n) {
    return V::Each([&](int i) { return i < n ? p[i] : 0.0f; });
  }
  static void StoreFirst(V a, float* p, int n) { std::memcpy(p, a.v, sizeof(float) * n); }
  // 32 bf16 to float32.
  static void WidenBf16(const uint16_t* p, float* out) {
    for (int i = 0; i < 32; ++i) out[i] = kernels::DecodeBf16(p[i]);
  }
  // 32 e4m3 codes to float32, times scale.
  static void WidenFp8(const uint8_t* p, float scale, float* out) {
    for (int i = 0; i < 32; ++i) out[i] = DecodeE4m3(p[i]) * scale;
  }

  // Sixteen int32, or as many pairs of int16. Sums are modulo 2^32.
  struct Ints {
    int32_t v[16];
  };
  template <class F>
  static Ints EachInt(F f) {
    Ints r;
    for (int i = 0; i < 16; ++i) r.v[i] = f(i);
    return r;
  }
  static Ints LoadInts(const int16_t* p) {
    Ints r;
    std::memcpy(r.v, p, sizeof(r.v));
    return r;
  }
  static void StoreInts(Ints x, int16_t* p) { std::memcpy(p, x.v, sizeof(x.v)); }
  static Ints ZeroInts() { return {}; }
  // p[0] and p[1], or p[0] .. p[3], everywhere.
  static Ints SetTwo(const int16_t* p) {
    return EachInt([&](int) { return Pair(p[0], p[1]); });
  }
  static Ints SetFour(const int16_t* p) {
    return EachInt([&](int i) { return Pair(p[i % 2 * 2], p[i % 2 * 2 + 1]); });
  }
  // sum + the products of both halves of the pairs.
  static Ints Dot(Ints sum, Ints x, Ints y) {
    return EachInt([&](int i) {
      const auto low = [](int32_t pair) { return static_cast<int16_t>(pair); };
      const auto high = [](int32_t pair) { return static_cast<int16_t>(pair >> 16); };
      const int32_t a = low(x.v[i]) * low(y.v[i]), b = high(x.v[i]) * high(y.v[i]);
      return static_cast<int32_t>(static_cast<uint32_t>(sum.v[i]) + static_cast<uint32_t>(a) +
                                  static_cast<uint32_t>(b));
    });
  }
  static Ints DotTwo(Ints sum, const int16_t* p, Ints y) { return Dot(sum, SetTwo(p), y); }
  // As PairSums.
  static Ints PairSums(Ints a, Ints b) {
    return EachInt([&](int i) {
      const int32_t* x = i < 8 ? a.v + 2 * i : b.v + 2 * (i - 8);
      return static_cast<int32_t>(static_cast<uint32_t>(x[0]) + static_cast<uint32_t>(x[1]));
    });
  }
  static V ToFloat(Ints x) {
    return V::Each([&](int i) { return static_cast<float>(x.v[i]); });
  }
  // Pairs (a[i], b[i]) of 32 channels, in the order that unpacking in lanes of 128 bits gives: pair
  // l of vector v is channel 8 * (l / 4) + 4 * v + l % 4.
  static void Weave(const int16_t* a, const int16_t* b, Ints* out) {
    for (int v = 0; v < 2; ++v) {
      out[v] = EachInt([&](int l) {
        const int channel = 8 * (l / 4) + 4 * v + l % 4;
        return Pair(a[channel], b[channel]);
      });
    }
  }
  // To the nearest integers, ties to even; all must fit int16.
  static void StoreCodes(V x, int16_t* p) {
    for (int i = 0; i < 16; ++i) p[i] = Nearest(x.v[i]);
  }
  static Ints PairCodes(V low, V high) {
    return EachInt([&](int i) { return Pair(Nearest(low.v[i]), Nearest(high.v[i])); });
  }
  // All lanes times *p; the lower 8 lanes times p[0], the upper ones times p[1].
  static V ScaleAll(V x, const float* p) { return V::Mul(x, V::Set1(*p)); }
  static V ScaleHalves(V x, const float* p) {
    return V::Each([&](int i) { return x.v[i] * p[i / 8]; });
  }
  // The lower (upper) 8 lanes of both.
  static V LowHalves(V a, V b) {
    return V::Each([&](int i) { return i < 8 ? a.v[i] : b.v[i - 8]; });
  }
  static V HighHalves(V a, V b) {
    return V::Each([&](int i) { return i < 8 ? a.v[i + 8] : b.v[i]; });
  }
  // 16 codes to float32.
  static V LoadCodes(const int16_t* p) {
    return V::Each([&](int i) { return static_cast<float>(p[i]); });
  }

 private:
  static int32_t Pair(int16_t low, int16_t high) {
    return static_cast<int32_t>(static_cast<uint32_t>(static_cast<uint16_t>(high)) << 16 |
                                static_cast<uint16_t>(low));
  }
  static int16_t Nearest(float x) {
    constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
    return static_cast<int16_t>(std::bit_cast<uint32_t>(x + kMagic) -
                                std::bit_cast<uint32_t>(kMagic));
  }
};

}  // namespace conclave::kernels::portable
