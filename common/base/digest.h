// The one digest of this project: XXH3, 64 bits. For hand-off manifests and message checksums; it
// finds damage, it does not resist an attacker.
#pragma once

#include <cstddef>
#include <cstdint>

namespace conclave {

// Thread-safe. `data` may be null when bytes is 0.
uint64_t Digest(const void* data, size_t bytes, uint64_t seed = 0);

}  // namespace conclave
