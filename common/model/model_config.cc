#include "common/model/model_config.h"

#include "common/model/json_fields.h"
#include "common/model/read_file.h"
#include "common/model/utf8.h"

namespace conclave {
namespace {

using nlohmann::json;

// Bounds are far above every released model; they keep products of dimensions within int64 and
// catch files that are not what they claim to be.
constexpr int64_t kMaxWidth = 1 << 17;
constexpr int64_t kMaxLayers = 1024;
constexpr int64_t kMaxExperts = 1 << 16;
constexpr int64_t kMaxTokens = 1 << 26;
constexpr int64_t kMaxFileBytes = 16 << 20;

void ReadTokenIds(FieldReader& fields, ModelConfig& config) {
  const int64_t last = config.vocab_size - 1;
  config.bos_token_id = fields.Int("bos_token_id", 0, last);
  const json* eos = fields.Find("eos_token_id");
  if (eos != nullptr && eos->is_array()) {
    for (const json& item : *eos) {
      if (!item.is_number_integer() || item.get<int64_t>() < 0 || item.get<int64_t>() > last) {
        fields.Fail(
            InvalidArgument("{}: field eos_token_id contains {}; integers in [0, {}] are needed",
                            fields.origin(), Show(item), last));
        return;
      }
      config.eos_token_ids.push_back(static_cast<int>(item.get<int64_t>()));
    }
    if (config.eos_token_ids.empty()) {
      fields.Fail(InvalidArgument(
          "{}: field eos_token_id is an empty list; at least one id is needed", fields.origin()));
      return;
    }
  } else {
    config.eos_token_ids.push_back(fields.Int("eos_token_id", 0, last));
  }
  config.eos_token_id = config.eos_token_ids.front();
}

void ReadAttention(FieldReader& fields, ModelConfig& config) {
  config.num_heads = fields.Int("num_attention_heads", 1, 4096);
  int kv_heads = fields.IntOr("num_key_value_heads", 1, 4096, config.num_heads);
  if (kv_heads != config.num_heads) {
    fields.Fail(InvalidArgument(
        "{}: num_key_value_heads {} differs from num_attention_heads {}; multi-head "
        "latent attention has one per head",
        fields.origin(), kv_heads, config.num_heads));
  }
  if (!fields.Has("q_lora_rank")) {
    fields.Fail(InvalidArgument(
        "{}: q_lora_rank is null or missing; only checkpoints with a compressed query "
        "(q_a_proj, q_b_proj) are supported",
        fields.origin()));
  }
  config.q_lora_rank = fields.Int("q_lora_rank", 1, kMaxWidth);
  config.kv_lora_rank = fields.Int("kv_lora_rank", 1, kMaxWidth);
  config.qk_nope_head_dim = fields.Int("qk_nope_head_dim", 1, kMaxWidth);
  config.qk_rope_head_dim = fields.Int("qk_rope_head_dim", 2, kMaxWidth);
  config.v_head_dim = fields.Int("v_head_dim", 1, kMaxWidth);
  if (config.qk_rope_head_dim % 2 != 0) {
    fields.Fail(InvalidArgument("{}: qk_rope_head_dim {} is odd; rotary channels come in pairs",
                                fields.origin(), config.qk_rope_head_dim));
  }
  if (fields.BoolOr("attention_bias", false)) {
    fields.Fail(InvalidArgument("{}: attention_bias is true; biases in attention are not supported",
                                fields.origin()));
  }
}

void ReadRope(FieldReader& fields, ModelConfig& config) {
  config.rope_theta = fields.Double("rope_theta", 1, 1e12);
  if (fields.Has("rope_parameters")) {
    fields.Fail(
        InvalidArgument("{}: rope_parameters is not supported; write rope_theta and rope_scaling",
                        fields.origin()));
  }
  const json* scaling = fields.Find("rope_scaling");
  if (scaling == nullptr) return;
  if (!scaling->is_object()) {
    fields.Fail(InvalidArgument("{}: field rope_scaling is {}; null or an object is needed",
                                fields.origin(), Show(*scaling)));
    return;
  }
  FieldReader yarn_fields(*scaling, fields.origin() + ": rope_scaling");
  bool both = yarn_fields.Has("rope_type") && yarn_fields.Has("type");
  const char* type_field = yarn_fields.Has("rope_type") ? "rope_type" : "type";
  yarn_fields.ExpectString(type_field, "yarn", "no other rope scaling is supported for this family",
                           true);
  if (both) yarn_fields.ExpectString("type", "yarn", "type and rope_type must agree", true);
  YarnScaling yarn;
  yarn.factor = yarn_fields.Double("factor", 1, 1e6);
  yarn.beta_fast = yarn_fields.DoubleOr("beta_fast", 1e-6, 1e6, yarn.beta_fast);
  yarn.beta_slow = yarn_fields.DoubleOr("beta_slow", 1e-6, 1e6, yarn.beta_slow);
  yarn.mscale = yarn_fields.DoubleOr("mscale", 0, 100, yarn.mscale);
  yarn.mscale_all_dim = yarn_fields.DoubleOr("mscale_all_dim", 0, 100, yarn.mscale_all_dim);
  yarn.original_max_position_embeddings =
      yarn_fields.Int("original_max_position_embeddings", 1, kMaxTokens);
  if (yarn.beta_fast < yarn.beta_slow) {
    yarn_fields.Fail(InvalidArgument("{}: beta_fast {} is below beta_slow {}", yarn_fields.origin(),
                                     yarn.beta_fast, yarn.beta_slow));
  }
  fields.Fail(yarn_fields.status());
  config.yarn = yarn;
}

void ReadExperts(FieldReader& fields, ModelConfig& config) {
  config.intermediate_size = fields.Int("intermediate_size", 1, kMaxWidth * 8);
  config.first_k_dense_replace = fields.Int("first_k_dense_replace", 0, config.num_layers);
  config.moe_intermediate_size = fields.Int("moe_intermediate_size", 1, kMaxWidth * 8);
  config.num_routed_experts = fields.Int("n_routed_experts", 1, kMaxExperts);
  config.num_experts_per_token = fields.Int("num_experts_per_tok", 1, kMaxExperts);
  config.num_shared_experts = fields.Int("n_shared_experts", 1, 64);
  config.num_groups = fields.Int("n_group", 1, kMaxExperts);
  config.topk_group = fields.Int("topk_group", 1, kMaxExperts);
  config.norm_topk_prob = fields.BoolOr("norm_topk_prob", true);
  config.routed_scaling_factor = fields.Double("routed_scaling_factor", 0, 1e6);
  fields.ExpectString("topk_method", "noaux_tc", "the bias-corrected top-k of DeepSeek-V3", true);
  fields.ExpectString("scoring_func", "sigmoid", "the score of DeepSeek-V3", true);
  fields.ExpectString("hidden_act", "silu", "no other activation is supported", false);
  if (fields.IntOr("moe_layer_freq", 1, kMaxLayers, 1) != 1) {
    fields.Fail(InvalidArgument("{}: moe_layer_freq is {}; only 1 is supported", fields.origin(),
                                fields.IntOr("moe_layer_freq", 1, kMaxLayers, 1)));
  }
  if (!fields.status().ok()) return;
  if (config.num_routed_experts % config.num_groups != 0) {
    fields.Fail(InvalidArgument("{}: n_routed_experts {} is not a multiple of n_group {}",
                                fields.origin(), config.num_routed_experts, config.num_groups));
    return;
  }
  const int per_group = config.num_routed_experts / config.num_groups;
  if (config.topk_group > config.num_groups) {
    fields.Fail(InvalidArgument("{}: topk_group {} exceeds n_group {}", fields.origin(),
                                config.topk_group, config.num_groups));
  }
  // A group's score is the sum of its two largest; with a single group there is nothing to score.
  if (config.num_groups > 1 && per_group < 2) {
    fields.Fail(InvalidArgument(
        "{}: n_routed_experts {} over n_group {} leaves {} expert per group; at least 2 "
        "are needed",
        fields.origin(), config.num_routed_experts, config.num_groups, per_group));
  }
  if (config.num_experts_per_token > config.topk_group * per_group) {
    fields.Fail(InvalidArgument(
        "{}: num_experts_per_tok {} exceeds the {} experts of topk_group {} groups of {}",
        fields.origin(), config.num_experts_per_token, config.topk_group * per_group,
        config.topk_group, per_group));
  }
}

void ReadQuantization(FieldReader& fields, ModelConfig& config) {
  const json* quantization = fields.Find("quantization_config");
  if (quantization == nullptr) return;
  if (!quantization->is_object()) {
    fields.Fail(InvalidArgument("{}: field quantization_config is {}; null or an object is needed",
                                fields.origin(), Show(*quantization)));
    return;
  }
  FieldReader quant(*quantization, fields.origin() + ": quantization_config");
  quant.ExpectString("quant_method", "fp8", "no other quantisation is supported", true);
  quant.ExpectString("fmt", "e4m3", "no other FP8 format is supported", false);
  quant.ExpectString("activation_scheme", "dynamic", "static activation scales are not supported",
                     false);
  const json* block = quant.Find("weight_block_size");
  if (block == nullptr || *block != json::array({128, 128})) {
    quant.Fail(InvalidArgument("{}: weight_block_size is {}; [128, 128] is needed", quant.origin(),
                               block == nullptr ? "missing" : Show(*block)));
  }
  fields.Fail(quant.status());
  config.fp8_block = 128;
}

}  // namespace

absl::StatusOr<ModelConfig> ParseModelConfig(const std::string& json_text,
                                             const std::string& origin) {
  ASSIGN_OR_RETURN(json document, ParseJson(json_text, origin));
  if (!document.is_object()) return InvalidArgument("{}: the document is not an object", origin);
  FieldReader fields(document, origin);
  ModelConfig config;
  config.model_type = fields.String("model_type");
  RETURN_IF_ERROR(fields.status());
  if (config.model_type != "deepseek_v3") {
    return InvalidArgument("{}: model_type \"{}\" is not supported; supported: deepseek_v3", origin,
                           Printable(config.model_type, 64));
  }
  config.family = ModelFamily::kDeepseekV3;
  config.vocab_size = fields.Int("vocab_size", 1, 1 << 24);
  config.hidden_size = fields.Int("hidden_size", 1, kMaxWidth);
  config.num_layers = fields.Int("num_hidden_layers", 1, kMaxLayers);
  config.num_mtp_layers = fields.IntOr("num_nextn_predict_layers", 0, 1, 0);
  config.max_position_embeddings = fields.Int("max_position_embeddings", 1, kMaxTokens);
  config.rms_norm_eps = fields.Double("rms_norm_eps", 0, 1);
  config.tie_word_embeddings = fields.BoolOr("tie_word_embeddings", false);
  // Later checks compare these numbers, so they only make sense once they were read.
  RETURN_IF_ERROR(fields.status());
  ReadTokenIds(fields, config);
  ReadAttention(fields, config);
  ReadRope(fields, config);
  ReadExperts(fields, config);
  ReadQuantization(fields, config);
  RETURN_IF_ERROR(fields.status());
  return config;
}

absl::StatusOr<ModelConfig> LoadModelConfig(const std::string& dir) {
  const std::string path = dir + "/config.json";
  ASSIGN_OR_RETURN(std::string text, ReadFile(path, kMaxFileBytes));
  return ParseModelConfig(text, path);
}

}  // namespace conclave
