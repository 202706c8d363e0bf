// The bf16 dot product of a lane (vdpbf16ps) in plain C++, as Intel's manual states it: two fused
// multiply-adds, the upper pair first, each rounded to nearest even, with subnormal operands and
// results taken as zero. AMD's manual leaves room for another rounding between the two.
#pragma once

#include <cmath>
#include <cstdint>

namespace conclave::kernels {

static inline float FlushSubnormal(float x) { return std::fabs(x) < 0x1p-126f ? x * 0.0f : x; }

// sum + x_high * w_high + x_low * w_low; the operands are bf16.
static inline float DotBf16(float sum, float x_low, float w_low, float x_high, float w_high) {
  sum =
      FlushSubnormal(std::fma(FlushSubnormal(x_high), FlushSubnormal(w_high), FlushSubnormal(sum)));
  return FlushSubnormal(std::fma(FlushSubnormal(x_low), FlushSubnormal(w_low), sum));
}

}  // namespace conclave::kernels
