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
  EXPECT_EQ(*ChooseArithmetic("int16"), Arithmetic::kInt16);
  EXPECT_NE(ArithmeticIdentity(Arithmetic::kInt16), ArithmeticIdentity(Arithmetic::kFma));
  const auto typo = ChooseArithmetic("bf16");
  ASSERT_FALSE(typo.ok());
  EXPECT_THAT(std::string(typo.status().message()), HasSubstr("it takes fma, int16 or bf16dot"));
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
    return SmallModel("deepseek_v3-fp8-yarn", mode)->weights().layers[0].attention.q_b.m;
  };
  const bool int16 = *ProcessArithmetic() == Arithmetic::kInt16;
  EXPECT_EQ(of(ComputeMode::kF32).type, kernels::WeightType::kFp8);
  EXPECT_EQ(of(ComputeMode::kF32).arithmetic, Arithmetic::kFma);
  EXPECT_EQ(of(ComputeMode::kInt8).arithmetic, Arithmetic::kFma);
  EXPECT_EQ(of(ComputeMode::kBF16).type,
            int16 ? kernels::WeightType::kFp8Int16 : kernels::WeightType::kFp8);
  EXPECT_EQ(of(ComputeMode::kBF16).arithmetic, int16 ? Arithmetic::kFma : *ProcessArithmetic());
  // There activations have the type of the weights.
  EXPECT_EQ(of(ComputeMode::kW8A8).type, kernels::WeightType::kFp8);
  EXPECT_EQ(of(ComputeMode::kW8A8).arithmetic, int16 ? Arithmetic::kFma : *ProcessArithmetic());
}

// What acts on the cache has 16 bits where operands are rounded anyway; the router is exact.
TEST(Arithmetic, OfTheLatentProjectionsAndTheRouter) {
  const kernels::WeightType stored = kernels::WeightType::kFp8;
  const kernels::WeightType fewer =
      *ProcessArithmetic() == Arithmetic::kInt16 ? kernels::WeightType::kFp8Int16 : stored;
  for (const auto& [mode, type] :
       {std::pair{ComputeMode::kF32, stored}, std::pair{ComputeMode::kBF16, fewer},
        std::pair{ComputeMode::kInt8, fewer}, std::pair{ComputeMode::kW8A8, stored}}) {
    const auto model = SmallModel("deepseek_v3-fp8-yarn", mode);
    const AttentionWeights& attention = model->weights().layers[0].attention;
    for (const auto* heads : {&attention.uk, &attention.uv, &attention.k_up}) {
      EXPECT_EQ((*heads)[0].m.type, type) << ComputeModeName(mode);
      EXPECT_EQ((*heads)[0].m.arithmetic, Arithmetic::kFma);
    }
    for (const LayerWeights& layer : model->weights().layers) {
      if (!layer.is_moe) continue;
      EXPECT_EQ(layer.router.m.activations, kernels::ActivationQuant::kNone);
      EXPECT_EQ(layer.router.m.arithmetic, Arithmetic::kFma);
    }
  }
}

}  // namespace
}  // namespace conclave
