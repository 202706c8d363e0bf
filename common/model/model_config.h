// config.json of a Hugging Face checkpoint folder, validated. Const after loading.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/status.h"

namespace conclave {

enum class ModelFamily { kDeepseekV3 };

struct YarnScaling {
  double factor = 1;
  double beta_fast = 32;
  double beta_slow = 1;
  double mscale = 1;
  double mscale_all_dim = 0;
  int original_max_position_embeddings = 0;  // tokens
};

// Dimensions are in elements, lengths in tokens.
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
  // MLA
  int num_heads = 0;
  int q_lora_rank = 0;
  int kv_lora_rank = 0;
  int qk_nope_head_dim = 0;
  int qk_rope_head_dim = 0;
  int v_head_dim = 0;
  double rope_theta = 10000;
  std::optional<YarnScaling> yarn;
  // FFN
  int intermediate_size = 0;      // dense layers
  int first_k_dense_replace = 0;  // layers before this index are dense
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

  bool IsMoeLayer(int layer) const { return layer >= first_k_dense_replace; }
  // Values of one token's latent KV in one layer: kv_lora_rank + qk_rope_head_dim.
  int KvWidth() const { return kv_lora_rank + qk_rope_head_dim; }
  // Layers that own KV and experts: main layers and MTP layers.
  int TotalLayers() const { return num_layers + num_mtp_layers; }
};

// Reads `dir`/config.json. NotFound without the file, InvalidArgument naming the field and its
// value when something is missing, of the wrong type or inconsistent.
absl::StatusOr<ModelConfig> LoadModelConfig(const std::string& dir);
absl::StatusOr<ModelConfig> ParseModelConfig(const std::string& json_text,
                                             const std::string& origin);

}  // namespace conclave
