// The arithmetic of the whole cluster. Part of every worker's fingerprint: workers of different
// modes refuse each other.
#pragma once

#include <cstdint>
#include <string_view>

namespace conclave {

// f32: float32 activations and KV (exact mode). bf16: activations rounded to bf16 before each
// multiply, KV in 16 bits (kv_format.h); norms, softmax, router and residual stay float32.
// (arithmetic.h says what multiplies them: by default operands become 16-bit integers, off by an
// eighth of bf16's error.)
// int8: as bf16, and the weights of projections, FFNs and head are requantised at load to int8 per
// output channel and 128 input channels, their activations per row and 128 channels. w8a8: as bf16,
// and the activations of e4m3 weights are rounded to e4m3 per row and 128 channels. Accumulation is
// float32 (int32 within 128 channels of integers) in all of them; kv_b, inside attention, never
// gets fewer than the 16 bits of mode bf16.
enum class ComputeMode : uint8_t { kF32 = 0, kBF16 = 1, kInt8 = 2, kW8A8 = 3 };
inline constexpr int kComputeModes = 4;

constexpr std::string_view ComputeModeName(ComputeMode mode) {
  constexpr std::string_view kNames[kComputeModes] = {"f32", "bf16", "int8", "w8a8"};
  return kNames[static_cast<int>(mode)];
}
inline bool ParseComputeMode(std::string_view text, ComputeMode* mode) {
  for (int i = 0; i < kComputeModes; ++i) {
    if (text != ComputeModeName(static_cast<ComputeMode>(i))) continue;
    *mode = static_cast<ComputeMode>(i);
    return true;
  }
  return false;
}
// Operands are bf16 before they are quantised any further, and so is the wire.
constexpr bool UsesBf16(ComputeMode mode) { return mode != ComputeMode::kF32; }
// Bytes of one activation or KV value in this mode.
constexpr int ActivationBytes(ComputeMode mode) { return UsesBf16(mode) ? 2 : 4; }

}  // namespace conclave
