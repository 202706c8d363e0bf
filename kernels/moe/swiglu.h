// out = silu(gate) * up, with silu(x) = x / (1 + e^-x).
#pragma once

#include <cstdint>

#include "kernels/base/cpu_features.h"

namespace conclave::kernels {

struct SwiGluParams {
  const float* gate = nullptr;  // [count]
  const float* up = nullptr;    // [count]
  float* out = nullptr;         // [count]; may be gate or up
  int64_t count = 0;
  bool round_bf16 = false;  // round the result to bf16, as the operand of the next multiply
};
void SwiGlu(const SwiGluParams& params, Isa isa);

// The oracle, through libm in float64.
void SwiGluRef(const SwiGluParams& params);

void SwiGluPortable(const SwiGluParams& params);
void SwiGluAvx2(const SwiGluParams& params);
void SwiGluAvx512(const SwiGluParams& params);

}  // namespace conclave::kernels
