// Which instruction set the kernels run on. All of them give the same bits: every kernel is one
// template over a 16-lane vector whose operations are exactly rounded, so the choice is a matter of
// speed only. Arithmetic is what does change bits, so a cluster must agree on it.
#pragma once

#include <cstdint>
#include <string_view>

namespace conclave::kernels {

enum class Isa { kPortable = 0, kAvx2 = 1, kAvx512 = 2 };

// How a GEMM with bf16 or e4m3 weights multiplies activations that are bf16: float32 multiply-adds,
// dot products of two bf16, or, both being quantised to 16 bits, dot products of two int16.
enum class Arithmetic : uint8_t { kFma = 0, kBf16Dot = 1, kInt16 = 2 };

// kAvx2 needs AVX2, FMA and F16C; kAvx512 needs F, BW, DQ, VL and VBMI.
bool IsaSupported(Isa isa);
// AVX-512 has the dot products of integers, and products of bit matrices (GFNI), which come with
// them wherever VBMI does.
bool VnniSupported();
// Tile registers with int8 dot products, AVX-512, and the kernel's permission to use the tiles,
// which the first call asks for.
bool AmxInt8Supported();
// kAvx512 has the dot product of two bf16 (vdpbf16ps).
bool Bf16DotSupported();
// The faster one. kBf16Dot on AMD: Zen 4 and 5 are said to run vdpbf16ps at the rate of a float32
// multiply-add, for twice the work. Else kInt16: with VNNI twice the rate of float32 multiply-adds,
// measured on Intel's Emerald Rapids, with AVX2 about the same.
Arithmetic PreferredArithmetic();
std::string_view ArithmeticName(Arithmetic arithmetic);
// The fastest supported one. Thread-safe and cheap.
Isa BestIsa();
std::string_view IsaName(Isa isa);

}  // namespace conclave::kernels
