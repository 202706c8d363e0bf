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

// One lane.
struct ScalarLane {
  float v;
  static ScalarLane Set1(float x) { return {x}; }
  static ScalarLane Add(ScalarLane a, ScalarLane b) { return {a.v + b.v}; }
  static ScalarLane Sub(ScalarLane a, ScalarLane b) { return {a.v - b.v}; }
  static ScalarLane Mul(ScalarLane a, ScalarLane b) { return {a.v * b.v}; }
  static ScalarLane Max(ScalarLane a, ScalarLane b) { return {a.v > b.v ? a.v : b.v}; }
  static ScalarLane Min(ScalarLane a, ScalarLane b) { return {a.v < b.v ? a.v : b.v}; }
  static ScalarLane ScaleByPowerOfTwo(ScalarLane a, ScalarLane n) {
    return {std::bit_cast<float>(std::bit_cast<uint32_t>(a.v) +
                                 (static_cast<uint32_t>(static_cast<int32_t>(n.v)) << 23))};
  }
};
static inline float Exp(float x) { return ExpVec(ScalarLane{x}).v; }

}  // namespace conclave::kernels
