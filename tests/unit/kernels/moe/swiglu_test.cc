#include "kernels/moe/swiglu.h"

#include <gtest/gtest.h>

#include "tests/unit/kernels/random_values.h"

namespace conclave::kernels {
namespace {

TEST(SwiGlu, AgreesWithTheOracleAndAllInstructionSetsAgreeInBits) {
  for (int64_t count : {1, 15, 16, 40, 333}) {
    const std::vector<float> gate = RandomValues(count, 1, 4), up = RandomValues(count, 2);
    for (bool round : {false, true}) {
      std::vector<float> expected(count), first(count);
      SwiGluRef({gate.data(), up.data(), expected.data(), count, round});
      SwiGlu({gate.data(), up.data(), first.data(), count, round}, Isa::kPortable);
      for (int64_t i = 0; i < count; ++i)
        EXPECT_NEAR(first[i], expected[i], (round ? 8e-3 : 1e-6) * (1 + std::abs(expected[i])));
      for (Isa isa : SupportedIsas()) {
        std::vector<float> in_place = gate;
        SwiGlu({in_place.data(), up.data(), in_place.data(), count, round}, isa);
        EXPECT_TRUE(SameBits(in_place, first)) << IsaName(isa) << " " << count;
      }
    }
  }
}

}  // namespace
}  // namespace conclave::kernels
