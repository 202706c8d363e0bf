// Test data and the instruction sets of this machine.
#pragma once

#include <cstring>
#include <random>
#include <vector>

#include "kernels/base/cpu_features.h"

namespace conclave::kernels {

inline std::vector<float> RandomValues(int64_t count, uint32_t seed, float spread = 1) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> values(count);
  for (float& value : values) value = normal(engine);
  return values;
}

inline std::vector<Isa> SupportedIsas() {
  std::vector<Isa> isas;
  for (Isa isa : {Isa::kPortable, Isa::kAvx2, Isa::kAvx512})
    if (IsaSupported(isa)) isas.push_back(isa);
  return isas;
}

// Bits, not values: tells -0 from 0 and compares NaN.
inline bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace conclave::kernels
