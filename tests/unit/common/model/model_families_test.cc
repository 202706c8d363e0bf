// The configurations of released checkpoints, as their files write them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/model/model_config.h"

namespace conclave {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

json V2Lite() {
  return json::parse(R"({
    "architectures": ["DeepseekV2ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
    "aux_loss_alpha": 0.001, "bos_token_id": 100000, "eos_token_id": 100001,
    "first_k_dense_replace": 1, "hidden_act": "silu", "hidden_size": 2048,
    "initializer_range": 0.02, "intermediate_size": 10944, "kv_lora_rank": 512,
    "max_position_embeddings": 163840, "model_type": "deepseek_v2", "moe_intermediate_size": 1408,
    "moe_layer_freq": 1, "n_group": 1, "n_routed_experts": 64, "n_shared_experts": 2,
    "norm_topk_prob": false, "num_attention_heads": 16, "num_experts_per_tok": 6,
    "num_hidden_layers": 27, "num_key_value_heads": 16, "pretraining_tp": 1, "q_lora_rank": null,
    "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "rms_norm_eps": 1e-06,
    "rope_scaling": {"beta_fast": 32, "beta_slow": 1, "factor": 40, "mscale": 0.707,
                     "mscale_all_dim": 0.707, "original_max_position_embeddings": 4096,
                     "type": "yarn"},
    "rope_theta": 10000, "routed_scaling_factor": 1.0, "scoring_func": "softmax", "seq_aux": true,
    "tie_word_embeddings": false, "topk_group": 1, "topk_method": "greedy",
    "torch_dtype": "bfloat16", "transformers_version": "4.33.1", "use_cache": true,
    "v_head_dim": 128, "vocab_size": 102400
  })");
}

json V2() {
  json document = V2Lite();
  document.update(json::parse(R"({
    "hidden_size": 5120, "intermediate_size": 12288, "moe_intermediate_size": 1536, "n_group": 8,
    "n_routed_experts": 160, "num_attention_heads": 128, "num_hidden_layers": 60,
    "num_key_value_heads": 128, "q_lora_rank": 1536, "routed_scaling_factor": 16.0,
    "topk_group": 3, "topk_method": "group_limited_greedy"
  })"));
  return document;
}

json DeepseekLlm67B() {
  return json::parse(R"({
    "architectures": ["LlamaForCausalLM"], "bos_token_id": 100000, "eos_token_id": 100001,
    "hidden_act": "silu", "hidden_size": 8192, "initializer_range": 0.02,
    "intermediate_size": 22016, "max_position_embeddings": 4096, "model_type": "llama",
    "num_attention_heads": 64, "num_hidden_layers": 95, "num_key_value_heads": 8,
    "pretraining_tp": 1, "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 10000.0,
    "tie_word_embeddings": false, "torch_dtype": "bfloat16", "transformers_version": "4.33.1",
    "use_cache": true, "vocab_size": 102400
  })");
}

json R1DistillLlama8B() {
  return json::parse(R"({
    "architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
    "bos_token_id": 128000, "eos_token_id": [128001, 128008, 128009], "hidden_act": "silu",
    "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 14336,
    "max_position_embeddings": 131072, "mlp_bias": false, "model_type": "llama",
    "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8,
    "pretraining_tp": 1, "rms_norm_eps": 1e-05,
    "rope_scaling": {"factor": 8.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
                     "original_max_position_embeddings": 8192, "rope_type": "llama3"},
    "rope_theta": 500000.0, "tie_word_embeddings": false, "torch_dtype": "bfloat16",
    "transformers_version": "4.43.0.dev0", "use_cache": true, "vocab_size": 128256
  })");
}

json R1DistillQwen1B() {
  return json::parse(R"({
    "architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 151643,
    "eos_token_id": 151643, "hidden_act": "silu", "hidden_size": 1536, "initializer_range": 0.02,
    "intermediate_size": 8960, "max_position_embeddings": 131072, "max_window_layers": 21,
    "model_type": "qwen2", "num_attention_heads": 12, "num_hidden_layers": 28,
    "num_key_value_heads": 2, "rms_norm_eps": 1e-06, "rope_theta": 10000, "sliding_window": 4096,
    "tie_word_embeddings": false, "torch_dtype": "bfloat16", "transformers_version": "4.44.0",
    "use_cache": true, "use_mrope": false, "use_sliding_window": false, "vocab_size": 151936
  })");
}

absl::StatusOr<ModelConfig> Parse(const json& document) {
  return ParseModelConfig(document.dump(), "dir/config.json");
}

TEST(ModelFamilies, V2LiteHasPlainQueriesAndAGreedyRouter) {
  const auto config = Parse(V2Lite());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->family, ModelFamily::kDeepseekV2);
  EXPECT_TRUE(config->IsMla());
  EXPECT_EQ(config->q_lora_rank, 0);
  EXPECT_EQ(config->KvWidth(), 576);
  EXPECT_EQ(config->RopeDim(), 64);
  EXPECT_EQ(config->num_mtp_layers, 0);
  EXPECT_EQ(config->router, RouterKind::kSoftmaxGreedy);
  EXPECT_EQ(config->num_groups, 1);
  EXPECT_EQ(config->num_experts_per_token, 6);
  EXPECT_FALSE(config->norm_topk_prob);
  EXPECT_DOUBLE_EQ(config->routed_scaling_factor, 1);
  EXPECT_FALSE(config->IsMoeLayer(0));
  EXPECT_TRUE(config->IsMoeLayer(1));
  ASSERT_TRUE(config->yarn.has_value());
  EXPECT_DOUBLE_EQ(config->yarn->mscale, 0.707);
  EXPECT_DOUBLE_EQ(config->yarn->mscale_all_dim, 0.707);
}

TEST(ModelFamilies, V2HasCompressedQueriesAndGroupLimits) {
  const auto config = Parse(V2());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->q_lora_rank, 1536);
  EXPECT_EQ(config->router, RouterKind::kSoftmaxGroupLimited);
  EXPECT_EQ(config->num_groups, 8);
  EXPECT_EQ(config->topk_group, 3);
  EXPECT_DOUBLE_EQ(config->routed_scaling_factor, 16);
}

// The greedy router takes no notice of groups, whatever the file says.
TEST(ModelFamilies, TheGreedyRouterHasNoGroups) {
  for (const json& groups : {json(nullptr), json(7)}) {
    json document = V2Lite();
    document["n_group"] = document["topk_group"] = groups;
    const auto config = Parse(document);
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(config->num_groups, 1);
    EXPECT_EQ(config->topk_group, 1);
  }
}

TEST(ModelFamilies, DeepseekLlmIsALlamaWithoutScaling) {
  const auto config = Parse(DeepseekLlm67B());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->family, ModelFamily::kLlama);
  EXPECT_FALSE(config->IsMla());
  EXPECT_FALSE(config->HasExperts());
  EXPECT_EQ(config->num_kv_heads, 8);
  EXPECT_EQ(config->head_dim, 128);
  EXPECT_EQ(config->RopeDim(), 128);
  EXPECT_EQ(config->KvWidth(), 2 * 8 * 128);
  EXPECT_FALSE(config->qkv_bias);
  EXPECT_FALSE(config->yarn.has_value());
  EXPECT_FALSE(config->llama3.has_value());
  for (int layer : {0, 50, 94}) EXPECT_FALSE(config->IsMoeLayer(layer));
  EXPECT_EQ(config->first_k_dense_replace, config->TotalLayers());
  EXPECT_EQ(config->num_routed_experts, 0);
}

TEST(ModelFamilies, DistilledLlamaHasLlama3Scaling) {
  const auto config = Parse(R1DistillLlama8B());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_THAT(config->eos_token_ids, ElementsAre(128001, 128008, 128009));
  EXPECT_DOUBLE_EQ(config->rms_norm_eps, 1e-5);
  ASSERT_TRUE(config->llama3.has_value());
  EXPECT_DOUBLE_EQ(config->llama3->factor, 8);
  EXPECT_DOUBLE_EQ(config->llama3->low_freq_factor, 1);
  EXPECT_DOUBLE_EQ(config->llama3->high_freq_factor, 4);
  EXPECT_EQ(config->llama3->original_max_position_embeddings, 8192);
}

TEST(ModelFamilies, DistilledQwenHasBiases) {
  const auto config = Parse(R1DistillQwen1B());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->family, ModelFamily::kQwen2);
  EXPECT_TRUE(config->qkv_bias);
  EXPECT_EQ(config->num_kv_heads, 2);
  EXPECT_EQ(config->head_dim, 128);
  EXPECT_FALSE(config->tie_word_embeddings);
}

TEST(ModelFamilies, WhatIsAbsentHasTheValueOfTheReference) {
  json document = DeepseekLlm67B();
  for (const char* name : {"num_key_value_heads", "rope_theta", "rope_scaling"})
    document.erase(name);
  const auto config = Parse(document);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->num_kv_heads, 64);
  EXPECT_DOUBLE_EQ(config->rope_theta, 10000);
  document["head_dim"] = 96;
  EXPECT_EQ(Parse(document)->head_dim, 96);
  document["rope_scaling"] = json::object({{"rope_type", "default"}});
  EXPECT_TRUE(Parse(document).ok());
  json qwen = R1DistillQwen1B();
  qwen["sliding_window"] = nullptr;
  qwen.erase("use_sliding_window");
  EXPECT_TRUE(Parse(qwen).ok());
}

struct Refused {
  json document;
  const char* pointer;
  json value;
  const char* message;
};

TEST(ModelFamilies, RefusesWhatWouldNotBeExact) {
  const Refused cases[] = {
      {V2Lite(), "/topk_method", "noaux_tc", "topk_method is \"noaux_tc\""},
      {V2Lite(), "/topk_method", nullptr, "topk_method is missing"},
      {V2Lite(), "/scoring_func", "sigmoid", "scoring_func is \"sigmoid\""},
      {V2Lite(), "/norm_topk_prob", true, "norm_topk_prob is true"},
      {V2Lite(), "/q_lora_rank", "none", "q_lora_rank is \"none\""},
      {V2Lite(), "/num_nextn_predict_layers", 1, "num_nextn_predict_layers is 1"},
      {V2Lite(), "/num_experts_per_tok", 65, "num_experts_per_tok 65 exceeds the 64"},
      {V2(), "/topk_group", 9, "topk_group 9 exceeds n_group 8"},
      {V2(), "/n_group", 7, "160 is not a multiple of n_group 7"},
      {V2(), "/rope_scaling/type", "llama3", "type is \"llama3\"; it must be \"yarn\""},
      {R1DistillLlama8B(), "/num_key_value_heads", 5,
       "num_attention_heads 32 is not a multiple of num_key_value_heads 5"},
      {R1DistillLlama8B(), "/hidden_size", 4100,
       "hidden_size 4100 is not a multiple of num_attention_heads 32"},
      {R1DistillLlama8B(), "/head_dim", 65, "65 channels (head_dim)"},
      {R1DistillLlama8B(), "/attention_bias", true, "attention_bias is true"},
      {R1DistillLlama8B(), "/mlp_bias", true, "mlp_bias is true"},
      {R1DistillLlama8B(), "/hidden_act", "gelu", "hidden_act is \"gelu\""},
      {R1DistillLlama8B(), "/rope_scaling/rope_type", "dynamic",
       "rope_type is \"dynamic\"; it must be \"llama3\""},
      {R1DistillLlama8B(), "/rope_scaling/high_freq_factor", 1.0,
       "high_freq_factor 1 is not above low_freq_factor 1"},
      {R1DistillLlama8B(), "/rope_scaling/low_freq_factor", nullptr, "low_freq_factor is missing"},
      {R1DistillLlama8B(), "/rope_scaling/rope_type", nullptr, "type is missing"},
      {R1DistillQwen1B(), "/use_sliding_window", true, "use_sliding_window is true"},
      {R1DistillQwen1B(), "/use_mrope", true, "use_mrope is true"},
      {R1DistillQwen1B(), "/rope_theta", nullptr, "rope_theta is missing"},
      {R1DistillQwen1B(), "/rope_scaling", json::object({{"type", "yarn"}, {"factor", 4}}),
       "type is \"yarn\"; it must be \"llama3\""},
  };
  for (const Refused& c : cases) {
    ASSERT_TRUE(Parse(c.document).ok()) << Parse(c.document).status();
    json document = c.document;
    document[json::json_pointer(c.pointer)] = c.value;
    const auto config = Parse(document);
    ASSERT_FALSE(config.ok()) << c.pointer << " = " << c.value;
    EXPECT_TRUE(absl::IsInvalidArgument(config.status()));
    EXPECT_THAT(Message(config.status()), HasSubstr(c.message));
    EXPECT_THAT(Message(config.status()), HasSubstr("dir/config.json"));
  }
}

}  // namespace
}  // namespace conclave
