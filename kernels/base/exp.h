// e^x in float32 out of plain multiplies and adds, each rounded: the same bits in every instruction
// set and on every machine, which libm does not promise. Largest error 2 ulp. Arguments are clamped
// to
// [-86, 88]. e^0 is exactly 1.
#pragma once

#include <bit>
#include <cstdint>

namespace conclave::kernels {

// `V` is one of the vectors of vec_*.h.
template <class V>
static inline V ExpVec(V x) {
  x = V::Max(x, V::Set1(-86.0f));
  x = V::Min(x, V::Set1(88.0f));
  const V magic = V::Set1(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  const V n = V::Sub(V::Add(V::Mul(x, V::Set1(1.44269504088896341f)), magic), magic);
  V r = V::Sub(x, V::Mul(n, V::Set1(0.693359375f)));
  r = V::Sub(r, V::Mul(n, V::Set1(-2.12194440e-4f)));
  V y = V::Set1(1.9875691500e-4f);
  y = V::Add(V::Mul(y, r), V::Set1(1.3981999507e-3f));
  y = V::Add(V::Mul(y, r), V::Set1(8.3334519073e-3f));
  y = V::Add(V::Mul(y, r), V::Set1(4.1665795894e-2f));
  y = V::Add(V::Mul(y, r), V::Set1(1.6666665459e-1f));
  y = V::Add(V::Mul(y, r), V::Set1(5.0000001201e-1f));
  y = V::Add(V::Mul(V::Mul(y, r), r), r);
  y = V::Add(y, V::Set1(1.0f));
  return V::ScaleByPowerOfTwo(y, n);
}

// 2^x in fused multiply-adds, with the same promises: largest error 2 ulp, 2^0 is exactly 1, NaN
// stays NaN. For x <= 0; arguments below -120 give 2^-120.
template <class V>
static inline V Exp2Vec(V x) {
  x = V::Max(V::Set1(-120.0f), x);
  const V magic = V::Set1(12582912.0f);
  const V n = V::Sub(V::Add(x, magic), magic);
  const V r = V::Sub(x, n);  // exact, in [-1/2, 1/2]
  V y = V::Set1(1.535336188319500e-4f);
  y = V::Fma(y, r, V::Set1(1.339887440266574e-3f));
  y = V::Fma(y, r, V::Set1(9.618437357674640e-3f));
  y = V::Fma(y, r, V::Set1(5.550332471162809e-2f));
  y = V::Fma(y, r, V::Set1(2.402264791363012e-1f));
  y = V::Fma(y, r, V::Set1(6.931472028550421e-1f));
  y = V::Fma(y, r, V::Set1(1.0f));
  return V::ScaleByPowerOfTwo(y, n);
}

// One lane.
struct ScalarLane {
  float v;
  static ScalarLane Set1(float x) { return {x}; }
  static ScalarLane Add(ScalarLane a, ScalarLane b) { return {a.v + b.v}; }
  static ScalarLane Sub(ScalarLane a, ScalarLane b) { return {a.v - b.v}; }
  static ScalarLane Mul(ScalarLane a, ScalarLane b) { return {a.v * b.v}; }
  static ScalarLane Fma(ScalarLane a, ScalarLane b, ScalarLane c) {
    return {__builtin_fmaf(a.v, b.v, c.v)};
  }
  static ScalarLane Max(ScalarLane a, ScalarLane b) { return {a.v > b.v ? a.v : b.v}; }
  static ScalarLane Min(ScalarLane a, ScalarLane b) { return {a.v < b.v ? a.v : b.v}; }
  static ScalarLane ScaleByPowerOfTwo(ScalarLane a, ScalarLane n) {
    return {std::bit_cast<float>(std::bit_cast<uint32_t>(a.v) +
                                 (static_cast<uint32_t>(static_cast<int32_t>(n.v)) << 23))};
  }
};
static inline float Exp(float x) { return ExpVec(ScalarLane{x}).v; }
static inline float Exp2(float x) { return Exp2Vec(ScalarLane{x}).v; }

}  // namespace conclave::kernels
