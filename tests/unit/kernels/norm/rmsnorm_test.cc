#include "kernels/norm/rmsnorm.h"

#include <gtest/gtest.h>

#include "tests/unit/kernels/random_values.h"

namespace conclave::kernels {
namespace {

TEST(RmsNorm, AgreesWithTheOracleAtAnyWidthAndStride) {
  for (int width : {1, 15, 16, 64, 199}) {
    const int rows = 3, stride = width + 5;
    const std::vector<float> x = RandomValues(rows * stride, width),
                             weight = RandomValues(width, 2);
    std::vector<float> out(rows * width), expected(rows * width);
    RmsNormParams p{rows, width, 1e-6f, x.data(), stride, weight.data(), out.data(), width};
    RmsNorm(p);
    p.out = expected.data();
    RmsNormRef(p);
    for (int i = 0; i < rows * width; ++i)
      EXPECT_NEAR(out[i], expected[i], 1e-6 * (1 + std::abs(expected[i])));
  }
}

TEST(RmsNorm, WorksInPlaceAndOnZeros) {
  std::vector<float> x = RandomValues(64, 1), out(64), weight(64, 1.0f);
  RmsNorm({1, 64, 1e-6f, x.data(), 64, weight.data(), out.data(), 64});
  RmsNorm({1, 64, 1e-6f, x.data(), 64, weight.data(), x.data(), 64});
  EXPECT_TRUE(SameBits(x, out));
  std::vector<float> zero(64, 0.0f);
  RmsNorm({1, 64, 1e-6f, zero.data(), 64, weight.data(), zero.data(), 64});
  EXPECT_EQ(zero, std::vector<float>(64, 0.0f));
}

TEST(RmsNorm, EveryInstructionSetGivesTheSameBits) {
  for (int width : {16, 100, 2048}) {
    const std::vector<float> x = RandomValues(3 * width, 5), weight = RandomValues(width, 6);
    const auto run = [&](auto norm) {
      std::vector<float> out(3 * width);
      norm(RmsNormParams{3, width, 1e-6f, x.data(), width, weight.data(), out.data(), width});
      return out;
    };
    const std::vector<float> expected = run(RmsNormPortable);
    if (IsaSupported(Isa::kAvx2)) {
      EXPECT_TRUE(SameBits(run(RmsNormAvx2), expected)) << width;
    }
    if (IsaSupported(Isa::kAvx512)) {
      EXPECT_TRUE(SameBits(run(RmsNormAvx512), expected)) << width;
    }
  }
}

}  // namespace
}  // namespace conclave::kernels
