#include "common/model/config_parts.h"

namespace conclave {
namespace {

// Fields that change the arithmetic when true.
void RefuseTrue(FieldReader& fields, const char* name, const char* why) {
  if (fields.BoolOr(name, false)) {
    fields.Fail(InvalidArgument("{}: {} is true; {}", fields.origin(), name, why));
  }
}

}  // namespace

void ReadLlama(FieldReader& fields, ModelConfig& config) {
  config.num_heads = fields.Int("num_attention_heads", 1, kMaxHeads);
  config.num_kv_heads = fields.IntOr("num_key_value_heads", 1, kMaxHeads, config.num_heads);
  config.intermediate_size = fields.Int("intermediate_size", 1, kMaxWidth * 8);
  config.first_k_dense_replace = config.num_layers;
  config.qkv_bias = config.family == ModelFamily::kQwen2;
  fields.ExpectString("hidden_act", "silu", "no other activation is supported", false);
  RefuseTrue(fields, "attention_bias",
             "only qwen2 has biases in attention (on queries, keys and values)");
  RefuseTrue(fields, "mlp_bias", "biases in the MLP are not supported");
  RefuseTrue(fields, "use_sliding_window", "attention to a sliding window is not supported");
  RefuseTrue(fields, "use_mrope", "multimodal rotary positions are not supported");
  if (!fields.status().ok()) return;

  if (config.num_heads % config.num_kv_heads != 0) {
    fields.Fail(
        InvalidArgument("{}: num_attention_heads {} is not a multiple of num_key_value_heads {}",
                        fields.origin(), config.num_heads, config.num_kv_heads));
  }
  if (!fields.Has("head_dim") && config.hidden_size % config.num_heads != 0) {
    fields.Fail(InvalidArgument(
        "{}: hidden_size {} is not a multiple of num_attention_heads {}, and head_dim is missing",
        fields.origin(), config.hidden_size, config.num_heads));
  }
  config.head_dim = fields.IntOr("head_dim", 2, kMaxWidth, config.hidden_size / config.num_heads);
  if (config.head_dim % 2 != 0) {
    fields.Fail(
        InvalidArgument("{}: the heads have {} channels (head_dim), an odd number; rotary "
                        "channels come in pairs",
                        fields.origin(), config.head_dim));
  }
}

}  // namespace conclave
