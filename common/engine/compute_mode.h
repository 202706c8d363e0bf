// The arithmetic of the whole cluster. Part of every worker's fingerprint: workers of different
// modes refuse each other.
#pragma once

#include <cstdint>
#include <string_view>

namespace conclave {

// f32: float32 activations and KV (exact mode). bf16: activations rounded to bf16 before each
// multiply, KV bf16; norms, softmax, router and residual stay float32. Accumulation is float32 in
// both.
enum class ComputeMode : uint8_t { kF32 = 0, kBF16 = 1 };

constexpr std::string_view ComputeModeName(ComputeMode mode) {
  return mode == ComputeMode::kF32 ? "f32" : "bf16";
}
inline bool ParseComputeMode(std::string_view text, ComputeMode* mode) {
  if (text == "f32") return *mode = ComputeMode::kF32, true;
  if (text == "bf16") return *mode = ComputeMode::kBF16, true;
  return false;
}
// Bytes of one activation or KV value in this mode.
constexpr int ActivationBytes(ComputeMode mode) { return mode == ComputeMode::kF32 ? 4 : 2; }

}  // namespace conclave
