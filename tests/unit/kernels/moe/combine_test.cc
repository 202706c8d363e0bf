#include "kernels/moe/combine.h"

#include <gtest/gtest.h>

#include "tests/unit/kernels/random_values.h"

namespace conclave::kernels {
namespace {

TEST(Combine, EveryInstructionSetGivesTheBitsOfTheOracle) {
  for (int64_t width : {16, 100, 600}) {
    for (bool has_shared : {false, true}) {
      const int rows = 3, k = 4;
      const std::vector<float> weight = RandomValues(rows * k, 1),
                               answers = RandomValues(rows * k * width, 2),
                               shared = RandomValues(rows * width, 3);
      const std::vector<float> before = RandomValues(rows * width, 4);
      const auto run = [&](auto combine) {
        std::vector<float> x = before;
        combine(CombineParams{rows, k, width, weight.data(), answers.data(),
                              has_shared ? shared.data() : nullptr, x.data()});
        return x;
      };
      const std::vector<float> expected = run(CombineRef);
      EXPECT_NE(expected, before);
      EXPECT_TRUE(SameBits(run(CombinePortable), expected)) << width;
      if (IsaSupported(Isa::kAvx2)) {
        EXPECT_TRUE(SameBits(run(CombineAvx2), expected)) << width;
      }
      if (IsaSupported(Isa::kAvx512)) {
        EXPECT_TRUE(SameBits(run(CombineAvx512), expected)) << width;
      }
    }
  }
}

}  // namespace
}  // namespace conclave::kernels
