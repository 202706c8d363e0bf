#include "common/base/digest.h"

#include <xxhash.h>

namespace conclave {

uint64_t Digest(const void* data, size_t bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(data, bytes, seed);
}

}  // namespace conclave
