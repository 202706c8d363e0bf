// config.json of a Hugging Face checkpoint folder, validated. Const after loading.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/status.h"

namespace conclave {

// What the attention of a family is follows from its name: the DeepSeek families have multi-head
// latent attention (MLA), the other two attention with grouped heads (GQA).
enum class ModelFamily { kDeepseekV3, kDeepseekV2, kLlama, kQwen2 };

// How a token's routed experts are chosen (kernels/moe/route.h).
enum class RouterKind {
  kSigmoidBias,         // "noaux_tc": sigmoid, selection bias, group limits
  kSoftmaxGreedy,       // "greedy": softmax, the largest
  kSoftmaxGroupLimited  // "group_limited_greedy": softmax, group limits
};

// Static: applied at all lengths. The softmax scale is multiplied by m^2 with
// m = 0.1 * mscale_all_dim * ln(factor) + 1.
struct YarnScaling {
  double factor = 1;
  double beta_fast = 32;
  double beta_slow = 1;
  double mscale = 1;
  double mscale_all_dim = 0;
  int original_max_position_embeddings = 0;  // tokens
};

// Static; the softmax scale does not change.
struct Llama3Scaling {
  double factor = 1;
  double low_freq_factor = 1;
  double high_freq_factor = 4;
  int original_max_position_embeddings = 0;  // tokens
};

// Dimensions are in elements, lengths in tokens. What a family does not have is 0.
struct ModelConfig {
  ModelFamily family = ModelFamily::kDeepseekV3;
  std::string model_type;  // as in the file, e.g. "deepseek_v3"
  int vocab_size = 0;
  int hidden_size = 0;
  int num_layers = 0;      // without MTP layers
  int num_mtp_layers = 0;  // 0 or 1
  int max_position_embeddings = 0;
  double rms_norm_eps = 1e-6;
  bool tie_word_embeddings = false;
  int bos_token_id = 0;
  int eos_token_id = 1;            // the first of eos_token_ids
  std::vector<int> eos_token_ids;  // never empty: any of them ends a generation
  int num_heads = 0;
  // GQA
  int num_kv_heads = 0;   // divides num_heads
  int head_dim = 0;       // even
  bool qkv_bias = false;  // biases on q_proj, k_proj and v_proj, on nothing else
  // MLA
  int q_lora_rank = 0;  // 0: queries are not compressed (q_proj)
  int kv_lora_rank = 0;
  int qk_nope_head_dim = 0;
  int qk_rope_head_dim = 0;
  int v_head_dim = 0;
  // Rotary embedding: at most one of the two scalings.
  double rope_theta = 10000;
  std::optional<YarnScaling> yarn;      // MLA
  std::optional<Llama3Scaling> llama3;  // GQA
  // FFN
  int intermediate_size = 0;      // dense layers
  int first_k_dense_replace = 0;  // layers before this index are dense; num_layers without experts
  RouterKind router = RouterKind::kSigmoidBias;
  int moe_intermediate_size = 0;
  int num_routed_experts = 0;
  int num_experts_per_token = 0;
  int num_shared_experts = 0;
  int num_groups = 1;
  int topk_group = 1;
  bool norm_topk_prob = true;
  double routed_scaling_factor = 1;
  // Quantisation; 0 when weights are bf16.
  int fp8_block = 0;  // rows and columns of one scale, 128

  bool IsMla() const {
    return family == ModelFamily::kDeepseekV3 || family == ModelFamily::kDeepseekV2;
  }
  // False for every layer of a model without routed experts.
  bool IsMoeLayer(int layer) const {
    return num_routed_experts > 0 && layer >= first_k_dense_replace;
  }
  // True when some layer, MTP layers included, has routed experts.
  bool HasExperts() const {
    return num_routed_experts > 0 && first_k_dense_replace < TotalLayers();
  }
  // Values of one token's KV in one layer. MLA: the latent (kv_lora_rank), then the rotary part
  // (qk_rope_head_dim). GQA: the keys of all KV heads, then the values: [2, num_kv_heads,
  // head_dim].
  int KvWidth() const {
    return IsMla() ? kv_lora_rank + qk_rope_head_dim : 2 * num_kv_heads * head_dim;
  }
  // Channels of a head that are rotated.
  int RopeDim() const { return IsMla() ? qk_rope_head_dim : head_dim; }
  // Layers that own KV and experts: main layers and MTP layers.
  int TotalLayers() const { return num_layers + num_mtp_layers; }
};

// Reads `dir`/config.json. NotFound without the file, InvalidArgument naming the field and its
// value when something is missing, of the wrong type or inconsistent.
absl::StatusOr<ModelConfig> LoadModelConfig(const std::string& dir);
absl::StatusOr<ModelConfig> ParseModelConfig(const std::string& json_text,
                                             const std::string& origin);

}  // namespace conclave
