// The GEMM of Arithmetic::kBf16Dot, with weights of bf16 or e4m3. The order is that of gemm.h, but
// a block's chain is one of bf16 dot products, two input channels each, of activations rounded to
// bf16. A row's bits are still its own, but they are also the CPU's.
#pragma once

#include "kernels/gemm/gemm.h"

namespace conclave::kernels {

// In plain C++, by base/bf16_dot.h.
void GemmBf16DotPortable(const GemmParams& params, int panel_begin, int panel_end);
// Needs Bf16DotSupported().
void GemmBf16DotAvx512(const GemmParams& params, int panel_begin, int panel_end);

// A hash of what this CPU's instruction makes of fixed operands: equal where CPUs round alike.
// Needs Bf16DotSupported().
uint64_t Bf16DotProbe();

// Activations as pairs of bf16 (the even input channel in the lower half), zeros up to the stride.
constexpr int64_t PairStride(int k) { return (int64_t{k} + 31) / 32 * 16; }
// Memory of the calling thread, 64-byte aligned, until its next call.
uint32_t* PairScratch(int64_t pairs);

}  // namespace conclave::kernels
