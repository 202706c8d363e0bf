// What is particular to a family is compared: its cache, its router, its biases, its rotary
// scaling.
#include <cmath>
#include <string>

#include "tests/golden/models/perturbed_case.h"

namespace conclave {
namespace {

class PerturbedFamilies : public PerturbedCase {
 protected:
  void Replace(const std::string& from, const std::string& to) {
    std::ifstream in(dir_ / "config.json");
    std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    in.close();
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    std::ofstream(dir_ / "config.json") << text.replace(at, from.size(), to);
  }
  // A weight, a bias or the configuration changed: the logits are far off in both modes.
  void ExpectLogitMisses() {
    EXPECT_FALSE(Misses(ComputeMode::kBF16).empty());
    const Kinds misses = Misses();
    EXPECT_GE(misses.size(), 5u);
    EXPECT_EQ(misses.empty() ? "" : misses[0], "logits");
  }
};

uint16_t FlipExponent(uint16_t bits) { return bits ^ 0x4000; }

TEST_F(PerturbedFamilies, AKeyAndAValueOfGroupedHeads) {
  Copy("llama-gqa");
  EXPECT_EQ(Misses(), Kinds{});
  Change<float>(kGolden, "kv.2.k", 40, [](float v) { return v + 1e-2f; });
  EXPECT_EQ(Misses(), Kinds{"kv k"});
  Change<float>(kGolden, "kv.0.v", 7, [](float v) { return v + 1e-2f; });
  EXPECT_EQ(Misses(), (Kinds{"kv k", "kv v"}));
}

TEST_F(PerturbedFamilies, ALogitOfEveryFamily) {
  for (const char* name : {"deepseek_v2", "deepseek_v2-lite", "llama-rope3", "qwen2-tied"}) {
    Copy(name);
    Change<float>(kGolden, "logits", 999, [](float v) { return v - 1e-3f; });
    EXPECT_EQ(Misses(), Kinds{"logits"}) << name;
    Change<float>(kGolden, "logits", 999, [](float v) { return v + 1; });
    EXPECT_EQ(Misses(ComputeMode::kBF16).empty(), std::string(name).starts_with("deepseek"))
        << name;  // one row of many may be off where routers are
  }
}

TEST_F(PerturbedFamilies, TheRouterOfV2) {
  Copy("deepseek_v2");
  // The tolerance grows with routed_scaling_factor, 16 here.
  Change<float>(kGolden, "router.1.topk_weight", 3, [](float v) { return v + 1e-3f; });
  EXPECT_EQ(Misses(), Kinds{"router topk_weight"});
  Change<float>(kGolden, "router.2.logits", 3, [](float v) { return v + 1e-3f; });
  Change<int64_t>(kGolden, "router.3.topk_idx", 0, [](int64_t v) { return v + 1; });
  EXPECT_EQ(Misses(), (Kinds{"router logits", "router topk_idx", "router topk_weight"}));
}

TEST_F(PerturbedFamilies, TheRouterKindOfV2) {
  Copy("deepseek_v2");
  Replace("group_limited_greedy", "greedy");
  ExpectLogitMisses();
}

TEST_F(PerturbedFamilies, TheSoftmaxScaleOfV2Lite) {
  Copy("deepseek_v2-lite");
  Replace("\"mscale_all_dim\": 0.707", "\"mscale_all_dim\": 0");
  ExpectLogitMisses();
}

TEST_F(PerturbedFamilies, TheRotaryScalingOfLlama) {
  Copy("llama-rope3");
  Replace("\"factor\": 8.0", "\"factor\": 4.0");
  ExpectLogitMisses();
}

TEST_F(PerturbedFamilies, ABiasOfQwen) {
  for (const char* projection : {"q_proj", "k_proj", "v_proj"}) {
    Copy("qwen2-untied");
    Change<uint16_t>("model.safetensors",
                     std::string("model.layers.1.self_attn.") + projection + ".bias", 5,
                     FlipExponent);
    EXPECT_GE(Misses().size(), 5u) << projection;
  }
}

TEST_F(PerturbedFamilies, TheTiedEmbeddingOfQwen) {
  Copy("qwen2-tied");
  Change<uint16_t>("model.safetensors", "model.embed_tokens.weight", 96 * 17 + 3, FlipExponent);
  EXPECT_GE(Misses().size(), 1u);
}

}  // namespace
}  // namespace conclave
