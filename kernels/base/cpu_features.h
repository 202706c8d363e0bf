// Which instruction set the kernels run on. All of them give the same bits: every kernel is one
// template over a 16-lane vector whose operations are exactly rounded, so the choice is a matter of
// speed only.
#pragma once

#include <string_view>

namespace conclave::kernels {

enum class Isa { kPortable = 0, kAvx2 = 1, kAvx512 = 2 };

// kAvx2 needs AVX2, FMA and F16C; kAvx512 needs F, BW, DQ, VL and VBMI.
bool IsaSupported(Isa isa);
// AVX-512 has the u8 x s8 dot product.
bool VnniSupported();
// Tile registers with int8 dot products, AVX-512, and the kernel's permission to use the tiles,
// which the first call asks for.
bool AmxInt8Supported();
// The fastest supported one. Thread-safe and cheap.
Isa BestIsa();
std::string_view IsaName(Isa isa);

}  // namespace conclave::kernels
