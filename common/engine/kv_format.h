// How cached keys and values are kept. One for the whole cluster, part of every worker's
// fingerprint: workers of different formats refuse each other.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/base/digest.h"

namespace conclave {

// kMode, as the compute mode says: float32, or with bf16 activations 16-bit codes of latents and
// rotary parts (kernels/attention/mla_int16.h), bf16 for grouped heads. The others for latent
// attention only: kFp8, per token and layer the latent as e4m3 with one float32 scale per 128
// values, then the rotary part as bf16; kBf16, all of it as bf16.
enum class KvFormat : uint8_t { kMode = 0, kFp8 = 1, kBf16 = 2 };

constexpr std::string_view KvFormatName(KvFormat format) {
  return format == KvFormat::kFp8 ? "fp8" : format == KvFormat::kBf16 ? "bf16" : "auto";
}
inline bool ParseKvFormat(std::string_view text, KvFormat* format) {
  if (text == "auto") return *format = KvFormat::kMode, true;
  if (text == "fp8") return *format = KvFormat::kFp8, true;
  if (text == "bf16") return *format = KvFormat::kBf16, true;
  return false;
}

// The fingerprint of a worker with this model (Model::fingerprint) and format. Never 0.
inline uint64_t WorkerFingerprint(uint64_t model, KvFormat format) {
  if (format == KvFormat::kMode) return model;
  const uint64_t parts[2] = {model, static_cast<uint64_t>(format)};
  const uint64_t digest = Digest(parts, sizeof(parts));
  return digest != 0 ? digest : 1;
}

}  // namespace conclave
