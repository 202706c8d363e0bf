// What all workers of one cluster must agree on before they exchange rows or KV.
#pragma once

#include <cstdint>
#include <string>

#include "common/engine/compute_mode.h"
#include "common/model/checkpoint.h"

namespace conclave {

// Digest of `dir`/config.json, the names, shapes and dtypes of all tensors, the mode, the kernels'
// order of operations, and in modes with bf16 activations the arithmetic. Never 0.
absl::StatusOr<uint64_t> ModelFingerprint(const std::string& dir, const Checkpoint& checkpoint,
                                          ComputeMode mode);

}  // namespace conclave
