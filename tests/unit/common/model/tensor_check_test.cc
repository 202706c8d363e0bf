#include "common/model/tensor_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/common/model/files.h"

namespace conclave {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::IsEmpty;

ModelConfig SmallConfig() {
  ModelConfig c;
  c.family = ModelFamily::kDeepseekV3;
  c.vocab_size = 8, c.hidden_size = 4, c.num_layers = 2, c.num_heads = 2;
  c.kv_lora_rank = 2, c.qk_nope_head_dim = 2, c.qk_rope_head_dim = 2, c.v_head_dim = 2;
  c.intermediate_size = 6, c.moe_intermediate_size = 3;
  c.first_k_dense_replace = 1, c.num_routed_experts = 3, c.num_experts_per_token = 2;
  c.num_shared_experts = 1;
  c.fp8_block = 128;
  return c;
}

// Everything that is expected, FP8 where it may be, and every optional tensor; varied by `change`.
struct Stored {
  std::string type;
  std::vector<int64_t> shape;
};
using Tensors = std::map<std::string, Stored>;

Tensors Complete(const ModelConfig& config) {
  Tensors tensors;
  for (const ExpectedTensor& t : ListTensors(config))
    tensors[t.name] = {std::string(TensorTypeName(t.types.front())), t.shape};
  return tensors;
}

std::unique_ptr<Checkpoint> Write(const testing_files::TempDir& dir, const Tensors& tensors) {
  json header = json::object();
  int64_t end = 0;
  for (const auto& [name, stored] : tensors) {
    int64_t bytes = stored.type == "BF16" ? 2 : stored.type == "F32" ? 4 : 1;
    for (int64_t extent : stored.shape) bytes *= extent;
    header[name] = {
        {"dtype", stored.type}, {"shape", stored.shape}, {"data_offsets", {end, end + bytes}}};
    end += bytes;
  }
  const std::string path = dir.Write(
      "model.safetensors",
      testing_files::Safetensors(header.dump(), std::string(static_cast<size_t>(end), '\0')));
  auto checkpoint = Checkpoint::OpenFile(path);
  EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
  return checkpoint.ok() ? std::move(checkpoint).value() : nullptr;
}

std::vector<std::string> Lines(const ModelConfig& config, const Tensors& tensors) {
  testing_files::TempDir dir;
  const auto checkpoint = Write(dir, tensors);
  std::vector<std::string> lines;
  for (const TensorProblem& p : CheckTensors(ListTensors(config), *checkpoint))
    lines.push_back(
        fmt::format("{} {}|{}|{}", TensorProblemName(p.kind), p.name, p.expected, p.found));
  return lines;
}

TEST(CheckTensors, IsContentWithWhatIsComplete) {
  const ModelConfig config = SmallConfig();
  Tensors tensors = Complete(config);
  EXPECT_THAT(Lines(config, tensors), IsEmpty());
  // A weight that is stored wider has no scales; old tables of frequencies do not matter.
  tensors["model.layers.0.mlp.up_proj.weight"].type = "BF16";
  tensors.erase("model.layers.0.mlp.up_proj.weight_scale_inv");
  tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = {"F32", {1}};
  tensors["model.layers.1.mlp.gate.e_score_correction_bias"].type = "F32";
  EXPECT_THAT(Lines(config, tensors), IsEmpty());
}

TEST(CheckTensors, NamesEachProblem) {
  const ModelConfig config = SmallConfig();
  Tensors tensors = Complete(config);
  tensors.erase("model.norm.weight");
  tensors.erase("model.layers.1.mlp.experts.2.down_proj.weight_scale_inv");
  tensors["model.layers.0.self_attn.o_proj.weight"].shape = {4, 5};
  tensors["lm_head.weight"].type = "F8_E4M3";
  tensors["model.layers.0.mlp.gate_proj.weight"].type = "BF16";  // its scale has no use now
  tensors["model.layers.2.input_layernorm.weight"] = {"BF16", {4}};
  EXPECT_THAT(
      Lines(config, tensors),
      ElementsAre("wrong shape model.layers.0.self_attn.o_proj.weight|"
                  "F8_E4M3, BF16 or F32 [4, 4]|F8_E4M3 [4, 5]",
                  "missing model.layers.1.mlp.experts.2.down_proj.weight_scale_inv|F32 [1, 1]|",
                  "missing model.norm.weight|BF16 or F32 [4]|",
                  "wrong dtype lm_head.weight|BF16 or F32 [8, 4]|F8_E4M3 [8, 4]",
                  "extra model.layers.0.mlp.gate_proj.weight_scale_inv||F32 [1, 1]",
                  "extra model.layers.2.input_layernorm.weight||BF16 [4]"));
}

TEST(CheckTensors, MtpCopiesAndATiedHeadMayBeAbsent) {
  ModelConfig config = SmallConfig();
  config.num_mtp_layers = 1;
  Tensors tensors = Complete(config);
  EXPECT_THAT(Lines(config, tensors), IsEmpty());
  tensors.erase("model.layers.2.embed_tokens.weight");
  tensors.erase("model.layers.2.shared_head.head.weight");
  EXPECT_THAT(Lines(config, tensors), IsEmpty());
  tensors.erase("model.layers.2.enorm.weight");
  tensors.erase("lm_head.weight");
  EXPECT_EQ(Lines(config, tensors).size(), 2u);
  config.tie_word_embeddings = true;
  EXPECT_EQ(Lines(config, tensors).size(), 1u);
}

TEST(GroupProblems, JoinsNamesThatDifferInNumbers) {
  std::vector<TensorProblem> problems;
  for (int e = 0; e < 3; ++e) {
    problems.push_back({TensorProblem::Kind::kMissing,
                        fmt::format("model.layers.1.mlp.experts.{}.up_proj.weight", e), "F32 [2]",
                        ""});
  }
  problems.push_back({TensorProblem::Kind::kExtra, "model.layers.9.q2.weight", "", "F32 [1]"});
  const auto groups = GroupProblems(problems);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].pattern, "model.layers.*.mlp.experts.*.up_proj.weight");
  EXPECT_EQ(groups[0].count, 3);
  EXPECT_EQ(groups[0].first.name, "model.layers.1.mlp.experts.0.up_proj.weight");
  EXPECT_EQ(groups[1].pattern, "model.layers.9.q2.weight");
}

}  // namespace
}  // namespace conclave
