#include "kernels/sampling/philox.h"

#include <gtest/gtest.h>

namespace conclave::kernels {
namespace {

using Words = std::array<uint32_t, 4>;

// The known answers published with the generator.
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(Philox4x32({0, 0, 0, 0}, {0, 0}),
            (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, UniformStaysInsideAndDependsOnEveryArgument) {
  double sum = 0;
  for (int i = 0; i < 10000; ++i) {
    const double u = PhiloxUniform(1, i, 0);
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    sum += u;
  }
  EXPECT_NEAR(sum / 10000, 0.5, 0.02);
  EXPECT_NE(PhiloxUniform(1, 2, 3), PhiloxUniform(2, 2, 3));
  EXPECT_NE(PhiloxUniform(1, 2, 3), PhiloxUniform(1, 3, 3));
  EXPECT_NE(PhiloxUniform(1, 2, 3), PhiloxUniform(1, 2, 4));
}

}  // namespace
}  // namespace conclave::kernels
