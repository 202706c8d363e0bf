// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers, as easy as 1, 2, 3; 2011):
// random numbers as a pure function of a counter and a key.
#pragma once

#include <array>
#include <cstdint>

namespace conclave::kernels {

std::array<uint32_t, 4> Philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// Uniform in [0, 1) with 53 bits.
double PhiloxUniform(uint64_t key, uint64_t counter_low, uint64_t counter_high);

}  // namespace conclave::kernels
