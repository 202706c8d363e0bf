// The comparison can fail: one changed value in the golden data, or one changed weight, is a miss.
#include <sstream>

#include "services/cli/commands/verify.h"
#include "tests/golden/models/perturbed_case.h"

namespace conclave {
namespace {

class Perturbed : public PerturbedCase {
 protected:
  void SetUp() override { Copy("deepseek_v3-bf16"); }
};

TEST_F(Perturbed, UnchangedThereIsNoMiss) { EXPECT_EQ(Misses(), Kinds{}); }

TEST_F(Perturbed, ALogit) {
  Change<float>(kGolden, "logits", 5000, [](float v) { return v + 1e-3f; });
  EXPECT_EQ(Misses(), Kinds{"logits"});
  std::ostringstream out, err;
  EXPECT_EQ(RunVerify({.dir = dir_.string()}, out, err), 1);
  EXPECT_NE(out.str().find("MISS  logits[5000]"), std::string::npos) << out.str();
}

TEST_F(Perturbed, AValueThatIsNotANumber) {
  Change<float>(kGolden, "hidden.3", 17, [](float) { return std::nanf(""); });
  EXPECT_EQ(Misses(), Kinds{"hidden"});
}

TEST_F(Perturbed, AnExpertAGreedyTokenAndAnMtpLogit) {
  Change<int64_t>(kGolden, "router.3.topk_idx", 9, [](int64_t v) { return v + 1; });
  Change<int64_t>(kGolden, "greedy_tokens", 23, [](int64_t v) { return (v + 1) % 512; });
  Change<float>(kGolden, "mtp.logits", 3, [](float v) { return v - 1e-3f; });
  EXPECT_EQ(Misses(), (Kinds{"router topk_idx", "greedy tokens", "greedy logprobs", "mtp logits"}));
}

// Logits of other rows, as of an engine that mixes rows up: the effect of no rounding.
TEST_F(Perturbed, LogitsTooFarForAnyMode) {
  for (int64_t row = 0; row < 40; row += 2)
    Change<float>(kGolden, "logits", row * 512 + 100 + row, [](float v) { return v + 30; });
  EXPECT_EQ(Misses(ComputeMode::kInt8), Kinds{"int8 against golden logits, same top token"});
  EXPECT_EQ(Misses(ComputeMode::kW8A8), Kinds{"w8a8 against golden logits, same top token"});
}

TEST_F(Perturbed, LogitsOfW8A8) {
  Copy("deepseek_v3-fp8-yarn");
  EXPECT_EQ(Misses(ComputeMode::kW8A8), Kinds{});
  Change<float>(kGolden, "w8a8.logits", 777, [](float v) { return v + 45; });  // rms 0.22
  EXPECT_EQ(Misses(ComputeMode::kW8A8),
            Kinds{"w8a8 of float32 operands against w8a8.logits, rms difference"});
}

TEST_F(Perturbed, ACachedKeyAndARouterWeight) {
  Change<float>(kGolden, "kv.4.k_pe", 1, [](float v) { return v * 1.01f + 0.01f; });
  Change<float>(kGolden, "router.2.topk_weight", 0, [](float v) { return v + 1e-4f; });
  EXPECT_EQ(Misses(), (Kinds{"kv k_pe", "router topk_weight"}));
}

TEST_F(Perturbed, AWeightOfTheModel) {
  Change<uint16_t>("model.safetensors", "model.layers.1.self_attn.o_proj.weight", 100,
                   [](uint16_t v) { return static_cast<uint16_t>(v ^ 0x4000); });
  const auto misses = Misses();
  EXPECT_GE(misses.size(), 10u);
  EXPECT_FALSE(Misses(ComputeMode::kBF16).empty());
}

}  // namespace
}  // namespace conclave
