#include "common/engine/arithmetic.h"

#include <gmock/gmock.h>

#include "common/engine/weights.h"
#include "tests/unit/common/engine/small_model.h"

namespace conclave {
namespace {

using kernels::Arithmetic;
using testing::HasSubstr;

TEST(Arithmetic, IsTheCpusChoiceUnlessToldOtherwise) {
  EXPECT_EQ(*ChooseArithmetic(""), kernels::PreferredArithmetic());
  EXPECT_EQ(*ChooseArithmetic("fma"), Arithmetic::kFma);
  const auto typo = ChooseArithmetic("bf16");
  ASSERT_FALSE(typo.ok());
  EXPECT_THAT(std::string(typo.status().message()), HasSubstr("it takes fma or bf16dot"));
  const auto dot = ChooseArithmetic("bf16dot");
  ASSERT_EQ(dot.ok(), kernels::Bf16DotSupported());
  if (!dot.ok()) {
    EXPECT_THAT(std::string(dot.status().message()), HasSubstr("lacks AVX-512 BF16"));
    return;
  }
  EXPECT_EQ(*dot, Arithmetic::kBf16Dot);
  EXPECT_NE(ArithmeticIdentity(*dot), ArithmeticIdentity(Arithmetic::kFma));
  EXPECT_EQ(ArithmeticIdentity(*dot), ArithmeticIdentity(*dot));
}

TEST(Arithmetic, BelongsToModesWithBf16Activations) {
  ASSERT_TRUE(ProcessArithmetic().ok());
  const auto of = [](ComputeMode mode) {
    return SmallModel("deepseek_v3-fp8-yarn", mode)->weights().layers[0].attention.q_b.m.arithmetic;
  };
  EXPECT_EQ(of(ComputeMode::kF32), Arithmetic::kFma);
  EXPECT_EQ(of(ComputeMode::kInt8), Arithmetic::kFma);
  EXPECT_EQ(of(ComputeMode::kBF16), *ProcessArithmetic());
  EXPECT_EQ(of(ComputeMode::kW8A8), *ProcessArithmetic());
  // What is multiplied exactly in every mode: inside attention, and the router.
  const auto model = SmallModel("deepseek_v3-fp8-yarn", ComputeMode::kBF16);
  EXPECT_EQ(model->weights().layers[0].attention.uk[0].m.arithmetic, Arithmetic::kFma);
}

}  // namespace
}  // namespace conclave
