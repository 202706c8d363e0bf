#pragma once

#include "kernels/base/dtypes.h"
#include "kernels/base/exp.h"
#include "kernels/moe/swiglu.h"

namespace conclave::kernels {

template <class V>
static V SwiGluLanes(V gate, V up) {
  const V one = V::Set1(1.0f);
  const V silu = V::Div(gate, V::Add(one, ExpVec(V::Sub(V::Zero(), gate))));
  return V::Mul(silu, up);
}

template <class V>
static void SwiGluOn(const SwiGluParams& p) {
  int64_t i = 0;
  for (; i + V::kLanes <= p.count; i += V::kLanes)
    SwiGluLanes(V::Load(p.gate + i), V::Load(p.up + i)).Store(p.out + i);
  if (i < p.count) {
    float gate[V::kLanes] = {}, up[V::kLanes] = {};
    for (int64_t j = i; j < p.count; ++j) gate[j - i] = p.gate[j], up[j - i] = p.up[j];
    SwiGluLanes(V::Load(gate), V::Load(up)).Store(gate);
    for (int64_t j = i; j < p.count; ++j) p.out[j] = gate[j - i];
  }
  if (p.round_bf16) {
    for (int64_t j = 0; j < p.count; ++j) p.out[j] = RoundBf16(p.out[j]);
  }
}

}  // namespace conclave::kernels
