// Sixteen float32 lanes in plain C++. The other vec_*.h define the same operations with intrinsics;
// a kernel template instantiated with any of them gives the same bits.
#pragma once

#include <cmath>
#include <cstring>

#include "kernels/base/dtypes.h"
#include "kernels/base/fp8_code.h"

namespace conclave::kernels::portable {

struct Vec {
  static constexpr int kLanes = 16;
  static constexpr int kAccumulators = 4;  // what the register file holds beside operands
  static constexpr int kFusedRows = 4;
  float v[16];

  static Vec Zero() { return Set1(0); }
  static Vec Set1(float x) {
    Vec r;
    for (float& lane : r.v) lane = x;
    return r;
  }
  static Vec Load(const float* p) {
    Vec r;
    std::memcpy(r.v, p, sizeof(r.v));
    return r;
  }
  void Store(float* p) const { std::memcpy(p, v, sizeof(v)); }
  template <class F>
  static Vec Each(F f) {
    Vec r;
    for (int i = 0; i < 16; ++i) r.v[i] = f(i);
    return r;
  }
  // a * b + c with one rounding.
  static Vec Fma(Vec a, Vec b, Vec c) {
    return Each([&](int i) { return std::fma(a.v[i], b.v[i], c.v[i]); });
  }
  // *x in all lanes, times y, plus z.
  static Vec FmaAll(const float* x, Vec y, Vec z) { return Fma(Set1(*x), y, z); }
  static Vec Add(Vec a, Vec b) {
    return Each([&](int i) { return a.v[i] + b.v[i]; });
  }
  static Vec Sub(Vec a, Vec b) {
    return Each([&](int i) { return a.v[i] - b.v[i]; });
  }
  static Vec Mul(Vec a, Vec b) {
    return Each([&](int i) { return a.v[i] * b.v[i]; });
  }
  static Vec Div(Vec a, Vec b) {
    return Each([&](int i) { return a.v[i] / b.v[i]; });
  }
  // The second operand when either is NaN, as the hardware does.
  static Vec Max(Vec a, Vec b) {
    return Each([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
  }
  static Vec Min(Vec a, Vec b) {
    return Each([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
  }
  // a * 2^n for integral n; the result must be a normal number.
  static Vec ScaleByPowerOfTwo(Vec a, Vec n) {
    return Each([&](int i) {
      const uint32_t shift = static_cast<uint32_t>(static_cast<int32_t>(n.v[i])) << 23;
      return std::bit_cast<float>(std::bit_cast<uint32_t>(a.v[i]) + shift);
    });
  }
  // Sixteen channels of 4 bytes: one float32, two bf16 or four e4m3 along K (gemm/packed_matrix.h).
  static void DecodeF32(const uint8_t* p, Vec* w) { std::memcpy(w[0].v, p, 64); }
  static void DecodeBf16(const uint8_t* p, Vec* w) {
    uint16_t bits[32];
    std::memcpy(bits, p, 64);
    for (int i = 0; i < 32; ++i) w[i & 1].v[i >> 1] = kernels::DecodeBf16(bits[i]);
  }
  // Codes as base/fp8_code.h packs them, times 2^-8, by the rule of regular codes.
  static void DecodeFp8(const uint8_t* p, Vec* w) {
    for (int i = 0; i < 64; ++i) w[i & 3].v[i >> 2] = RegularFp8(p[i]);
  }
  // Whether any of 64 codes is irregular.
  static bool AnyIrregularFp8(const uint8_t* p) {
    bool any = false;
    for (int i = 0; i < 64; ++i) any |= IsIrregularFp8(p[i]);
    return any;
  }
  // What DecodeFp8's result lacks where the code is irregular, else 0: see base/fp8_code.h.
  static Vec CorrectFp8(Vec w) {
    return Each([&](int i) {
      const uint32_t bits = std::bit_cast<uint32_t>(w.v[i]);
      if ((bits & 0x07900000u) != 0x00100000u) return 0.0f;
      return bits >> 31 ? kFp8Excess : -kFp8Excess;
    });
  }
  // Sixteen consecutive bf16.
  static Vec LoadBf16(const uint16_t* p) {
    return Each([&](int i) { return kernels::DecodeBf16(p[i]); });
  }
};

}  // namespace conclave::kernels::portable
