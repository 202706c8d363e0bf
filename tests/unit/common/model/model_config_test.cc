#include "common/model/model_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/common/model/files.h"

namespace conclave {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

json Good() {
  return json::parse(R"({
    "architectures": ["DeepseekV3ForCausalLM"], "attention_bias": false, "bos_token_id": 0, "eos_token_id": 1,
    "first_k_dense_replace": 2, "hidden_act": "silu", "hidden_size": 192, "intermediate_size": 320,
    "kv_lora_rank": 64, "max_position_embeddings": 2560, "model_type": "deepseek_v3",
    "moe_intermediate_size": 40, "moe_layer_freq": 1, "n_group": 4, "n_routed_experts": 16,
    "n_shared_experts": 1, "norm_topk_prob": true, "num_attention_heads": 8, "num_experts_per_tok": 4,
    "num_hidden_layers": 5, "num_key_value_heads": 8, "num_nextn_predict_layers": 1, "q_lora_rank": 160,
    "qk_nope_head_dim": 32, "qk_rope_head_dim": 16, "rms_norm_eps": 1e-06,
    "rope_scaling": {"beta_fast": 32, "beta_slow": 1, "factor": 40, "mscale": 1.0, "mscale_all_dim": 0.5,
                     "original_max_position_embeddings": 64, "type": "yarn"},
    "rope_theta": 10000, "routed_scaling_factor": 2.5, "scoring_func": "sigmoid",
    "tie_word_embeddings": false, "topk_group": 2, "topk_method": "noaux_tc", "v_head_dim": 24,
    "vocab_size": 512,
    "quantization_config": {"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8",
                            "weight_block_size": [128, 128]}
  })");
}

absl::StatusOr<ModelConfig> Parse(const json& document) {
  return ParseModelConfig(document.dump(), "dir/config.json");
}

TEST(ModelConfig, ReadsEveryField) {
  auto config = Parse(Good());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->model_type, "deepseek_v3");
  EXPECT_EQ(config->vocab_size, 512);
  EXPECT_EQ(config->hidden_size, 192);
  EXPECT_EQ(config->num_layers, 5);
  EXPECT_EQ(config->num_mtp_layers, 1);
  EXPECT_EQ(config->TotalLayers(), 6);
  EXPECT_EQ(config->max_position_embeddings, 2560);
  EXPECT_DOUBLE_EQ(config->rms_norm_eps, 1e-6);
  EXPECT_FALSE(config->tie_word_embeddings);
  EXPECT_EQ(config->bos_token_id, 0);
  EXPECT_EQ(config->eos_token_id, 1);
  EXPECT_THAT(config->eos_token_ids, ElementsAre(1));
  EXPECT_EQ(config->family, ModelFamily::kDeepseekV3);
  EXPECT_TRUE(config->IsMla());
  EXPECT_TRUE(config->HasExperts());
  EXPECT_EQ(config->router, RouterKind::kSigmoidBias);
  EXPECT_EQ(config->num_heads, 8);
  EXPECT_EQ(config->q_lora_rank, 160);
  EXPECT_EQ(config->kv_lora_rank, 64);
  EXPECT_EQ(config->KvWidth(), 80);
  EXPECT_EQ(config->qk_nope_head_dim, 32);
  EXPECT_EQ(config->qk_rope_head_dim, 16);
  EXPECT_EQ(config->v_head_dim, 24);
  EXPECT_DOUBLE_EQ(config->rope_theta, 10000);
  ASSERT_TRUE(config->yarn.has_value());
  EXPECT_DOUBLE_EQ(config->yarn->factor, 40);
  EXPECT_DOUBLE_EQ(config->yarn->mscale_all_dim, 0.5);
  EXPECT_EQ(config->yarn->original_max_position_embeddings, 64);
  EXPECT_EQ(config->intermediate_size, 320);
  EXPECT_EQ(config->first_k_dense_replace, 2);
  EXPECT_FALSE(config->IsMoeLayer(1));
  EXPECT_TRUE(config->IsMoeLayer(2));
  EXPECT_EQ(config->moe_intermediate_size, 40);
  EXPECT_EQ(config->num_routed_experts, 16);
  EXPECT_EQ(config->num_experts_per_token, 4);
  EXPECT_EQ(config->num_shared_experts, 1);
  EXPECT_EQ(config->num_groups, 4);
  EXPECT_EQ(config->topk_group, 2);
  EXPECT_TRUE(config->norm_topk_prob);
  EXPECT_DOUBLE_EQ(config->routed_scaling_factor, 2.5);
  EXPECT_EQ(config->fp8_block, 128);
}

TEST(ModelConfig, OptionalPartsMayBeAbsentOrNull) {
  for (const char* name :
       {"rope_scaling", "quantization_config", "num_nextn_predict_layers", "tie_word_embeddings",
        "num_key_value_heads", "moe_layer_freq", "hidden_act", "attention_bias", "q_lora_rank"}) {
    json document = Good();
    document[name] = nullptr;
    EXPECT_TRUE(Parse(document).ok()) << name << ": " << Parse(document).status();
    document.erase(name);
    EXPECT_TRUE(Parse(document).ok()) << name << ": " << Parse(document).status();
  }
  json document = Good();
  document.erase("rope_scaling");
  document.erase("quantization_config");
  document.erase("num_nextn_predict_layers");
  auto config = Parse(document);
  ASSERT_TRUE(config.ok());
  EXPECT_FALSE(config->yarn.has_value());
  EXPECT_EQ(config->fp8_block, 0);
  EXPECT_EQ(config->num_mtp_layers, 0);
}

TEST(ModelConfig, TakesAListOfEosTokens) {
  json document = Good();
  document["eos_token_id"] = {7, 3};
  auto config = Parse(document);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->eos_token_id, 7);
  EXPECT_THAT(config->eos_token_ids, ElementsAre(7, 3));
}

TEST(ModelConfig, TakesTheNewerNameOfTheRopeType) {
  json document = Good();
  document["rope_scaling"].erase("type");
  document["rope_scaling"]["rope_type"] = "yarn";
  EXPECT_TRUE(Parse(document).ok());
}

// Every field is either optional or its absence, a wrong type and a nonsense value are refused by
// name.
TEST(ModelConfig, NamesMissingAndMistypedFields) {
  for (const char* name : {"vocab_size",
                           "hidden_size",
                           "num_hidden_layers",
                           "max_position_embeddings",
                           "rms_norm_eps",
                           "bos_token_id",
                           "eos_token_id",
                           "num_attention_heads",
                           "kv_lora_rank",
                           "qk_nope_head_dim",
                           "qk_rope_head_dim",
                           "v_head_dim",
                           "rope_theta",
                           "intermediate_size",
                           "first_k_dense_replace",
                           "moe_intermediate_size",
                           "n_routed_experts",
                           "num_experts_per_tok",
                           "n_shared_experts",
                           "n_group",
                           "topk_group",
                           "routed_scaling_factor",
                           "scoring_func",
                           "topk_method",
                           "model_type"}) {
    std::vector<json> bad = {nullptr, "text", true, json::array(), json::object(), -1, 1e300};
    for (const json& value : bad) {
      json document = Good();
      document[name] = value;
      auto config = Parse(document);
      ASSERT_FALSE(config.ok()) << name << " = " << value;
      EXPECT_TRUE(absl::IsInvalidArgument(config.status()));
      EXPECT_THAT(Message(config.status()), HasSubstr(name));
      EXPECT_THAT(Message(config.status()), HasSubstr("dir/config.json"));
    }
  }
}

struct Inconsistent {
  const char* pointer;
  json value;
  const char* message;
};

TEST(ModelConfig, RefusesWhatDoesNotFitTogether) {
  const Inconsistent cases[] = {
      {"/model_type", "mixtral", "supported: deepseek_v3, deepseek_v2, llama, qwen2"},
      {"/q_lora_rank", 0, "q_lora_rank is 0"},
      {"/vocab_size", 0, "vocab_size is 0"},
      {"/vocab_size", 18446744073709551615u, "vocab_size"},
      {"/hidden_size", 1 << 30, "hidden_size"},
      {"/num_hidden_layers", 2.5, "num_hidden_layers is 2.5"},
      {"/num_nextn_predict_layers", 2, "num_nextn_predict_layers is 2"},
      {"/eos_token_id", 512, "eos_token_id is 512"},
      {"/eos_token_id", json::array({1, 512}), "eos_token_id contains 512"},
      {"/num_key_value_heads", 4, "num_key_value_heads 4"},
      {"/qk_rope_head_dim", 15, "odd"},
      {"/attention_bias", true, "attention_bias"},
      {"/hidden_act", "gelu", "hidden_act is \"gelu\""},
      {"/moe_layer_freq", 2, "moe_layer_freq is 2"},
      {"/topk_method", "greedy", "topk_method is \"greedy\""},
      {"/scoring_func", "softmax", "scoring_func is \"softmax\""},
      {"/first_k_dense_replace", 6, "first_k_dense_replace is 6"},
      {"/n_group", 3, "n_routed_experts 16 is not a multiple of n_group 3"},
      {"/n_group", 16, "at least 2"},
      {"/topk_group", 5, "topk_group 5 exceeds n_group 4"},
      {"/num_experts_per_tok", 9, "num_experts_per_tok 9 exceeds the 8"},
      {"/rope_scaling", "yarn", "rope_scaling is \"yarn\""},
      {"/rope_scaling/type", "linear", "type is \"linear\""},
      {"/rope_scaling/rope_type", "llama3", "rope_type is \"llama3\""},
      {"/rope_scaling/factor", 0.5, "factor is 0.5"},
      {"/rope_scaling/beta_slow", 64, "beta_fast 32 is below beta_slow 64"},
      {"/rope_scaling/original_max_position_embeddings", 0,
       "original_max_position_embeddings is 0"},
      {"/rope_parameters", json::object({{"rope_theta", 1}}), "rope_parameters"},
      {"/quantization_config", 8, "quantization_config is 8"},
      {"/quantization_config/quant_method", "gptq", "quant_method is \"gptq\""},
      {"/quantization_config/fmt", "e5m2", "fmt is \"e5m2\""},
      {"/quantization_config/activation_scheme", "static", "activation_scheme"},
      {"/quantization_config/weight_block_size", json::array({64, 128}),
       "weight_block_size is [64,128]"},
      {"/quantization_config/weight_block_size", nullptr, "weight_block_size is missing"},
  };
  for (const Inconsistent& c : cases) {
    json document = Good();
    document[json::json_pointer(c.pointer)] = c.value;
    auto config = Parse(document);
    ASSERT_FALSE(config.ok()) << c.pointer << " = " << c.value;
    EXPECT_TRUE(absl::IsInvalidArgument(config.status()));
    EXPECT_THAT(Message(config.status()), HasSubstr(c.message));
  }
}

TEST(ModelConfig, LoadsAFileAndRefusesGarbage) {
  testing_files::TempDir dir;
  EXPECT_TRUE(absl::IsNotFound(LoadModelConfig(dir.path()).status()));
  for (const char* text : {"", "{", "[]", "null", "{\"model_type\": 3}"}) {
    dir.Write("config.json", text);
    auto config = LoadModelConfig(dir.path());
    EXPECT_TRUE(absl::IsInvalidArgument(config.status())) << text;
    EXPECT_THAT(Message(config.status()), HasSubstr(dir.path() + "/config.json"));
  }
  dir.Write("config.json", Good().dump());
  EXPECT_TRUE(LoadModelConfig(dir.path()).ok());
}

}  // namespace
}  // namespace conclave
