#include "common/model/config_parts.h"

namespace conclave {
namespace {

void ReadLatentAttention(FieldReader& fields, ModelConfig& config) {
  config.num_heads = fields.Int("num_attention_heads", 1, kMaxHeads);
  int kv_heads = fields.IntOr("num_key_value_heads", 1, kMaxHeads, config.num_heads);
  if (kv_heads != config.num_heads) {
    fields.Fail(InvalidArgument(
        "{}: num_key_value_heads {} differs from num_attention_heads {}; multi-head "
        "latent attention has one per head",
        fields.origin(), kv_heads, config.num_heads));
  }
  config.q_lora_rank = fields.IntOr("q_lora_rank", 1, kMaxWidth, 0);
  config.kv_lora_rank = fields.Int("kv_lora_rank", 1, kMaxWidth);
  config.qk_nope_head_dim = fields.Int("qk_nope_head_dim", 1, kMaxWidth);
  config.qk_rope_head_dim = fields.Int("qk_rope_head_dim", 2, kMaxWidth);
  config.v_head_dim = fields.Int("v_head_dim", 1, kMaxWidth);
  if (config.qk_rope_head_dim % 2 != 0) {
    fields.Fail(InvalidArgument("{}: qk_rope_head_dim {} is odd; rotary channels come in pairs",
                                fields.origin(), config.qk_rope_head_dim));
  }
  if (fields.BoolOr("attention_bias", false)) {
    fields.Fail(
        InvalidArgument("{}: attention_bias is true; biases in latent attention are not "
                        "supported",
                        fields.origin()));
  }
}

void ReadRouterKind(FieldReader& fields, ModelConfig& config) {
  if (config.family == ModelFamily::kDeepseekV3) {
    config.router = RouterKind::kSigmoidBias;
    config.norm_topk_prob = fields.BoolOr("norm_topk_prob", true);
    fields.ExpectString("topk_method", "noaux_tc", "the bias-corrected top-k of DeepSeek-V3", true);
    fields.ExpectString("scoring_func", "sigmoid", "the score of DeepSeek-V3", true);
    return;
  }
  fields.ExpectString("scoring_func", "softmax", "the score of DeepSeek-V2", false);
  const std::string method = fields.String("topk_method");
  if (method == "greedy") {
    config.router = RouterKind::kSoftmaxGreedy;
  } else if (method == "group_limited_greedy") {
    config.router = RouterKind::kSoftmaxGroupLimited;
  } else {
    fields.Fail(
        InvalidArgument("{}: field topk_method is {}; it must be \"greedy\" or "
                        "\"group_limited_greedy\": the routers of DeepSeek-V2",
                        fields.origin(), Show(method)));
  }
  config.norm_topk_prob = fields.BoolOr("norm_topk_prob", false);
  if (config.norm_topk_prob) {
    fields.Fail(InvalidArgument(
        "{}: norm_topk_prob is true; implementations of DeepSeek-V2 disagree about what "
        "routed_scaling_factor then means, and no released checkpoint has it",
        fields.origin()));
  }
}

void ReadGroups(FieldReader& fields, ModelConfig& config) {
  if (config.router == RouterKind::kSoftmaxGreedy) return;  // ignores n_group and topk_group
  config.num_groups = fields.Int("n_group", 1, kMaxExperts);
  config.topk_group = fields.Int("topk_group", 1, kMaxExperts);
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
  // V3 scores a group by its two largest; with a single group there is nothing to score.
  if (config.router == RouterKind::kSigmoidBias && config.num_groups > 1 && per_group < 2) {
    fields.Fail(InvalidArgument(
        "{}: n_routed_experts {} over n_group {} leaves {} expert per group; at least 2 "
        "are needed",
        fields.origin(), config.num_routed_experts, config.num_groups, per_group));
  }
}

void ReadExperts(FieldReader& fields, ModelConfig& config) {
  config.intermediate_size = fields.Int("intermediate_size", 1, kMaxWidth * 8);
  config.first_k_dense_replace = fields.Int("first_k_dense_replace", 0, config.num_layers);
  config.moe_intermediate_size = fields.Int("moe_intermediate_size", 1, kMaxWidth * 8);
  config.num_routed_experts = fields.Int("n_routed_experts", 1, kMaxExperts);
  config.num_experts_per_token = fields.Int("num_experts_per_tok", 1, kMaxExperts);
  config.num_shared_experts = fields.Int("n_shared_experts", 1, 64);
  config.routed_scaling_factor = fields.Double("routed_scaling_factor", 0, 1e6);
  fields.ExpectString("hidden_act", "silu", "no other activation is supported", false);
  if (fields.IntOr("moe_layer_freq", 1, kMaxLayers, 1) != 1) {
    fields.Fail(InvalidArgument("{}: moe_layer_freq is {}; only 1 is supported", fields.origin(),
                                fields.IntOr("moe_layer_freq", 1, kMaxLayers, 1)));
  }
  ReadRouterKind(fields, config);
  ReadGroups(fields, config);
  if (!fields.status().ok()) return;
  const int per_group = config.num_routed_experts / config.num_groups;
  if (config.num_experts_per_token > config.topk_group * per_group) {
    fields.Fail(InvalidArgument(
        "{}: num_experts_per_tok {} exceeds the {} experts of topk_group {} groups of {}",
        fields.origin(), config.num_experts_per_token, config.topk_group * per_group,
        config.topk_group, per_group));
  }
}

}  // namespace

void ReadDeepseek(FieldReader& fields, ModelConfig& config) {
  ReadLatentAttention(fields, config);
  ReadExperts(fields, config);
}

}  // namespace conclave
