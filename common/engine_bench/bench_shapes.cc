#include "common/engine_bench/bench_shapes.h"

#include <algorithm>

#include "common/model/random_checkpoint.h"

namespace conclave {
namespace {

constexpr std::string_view kNames[] = {"tiny", "v2lite-slice", "v3-slice"};

ModelConfig Common() {
  ModelConfig c;
  c.max_position_embeddings = 16384;
  c.eos_token_ids = {1};
  c.first_k_dense_replace = 1;
  c.fp8_block = 128;
  return c;
}

ModelConfig Tiny() {
  ModelConfig c = Common();
  c.family = ModelFamily::kDeepseekV3;
  c.model_type = "deepseek_v3";
  c.vocab_size = 8192;
  c.hidden_size = 512;
  c.num_layers = 8;
  c.num_heads = 8;
  c.q_lora_rank = 256;
  c.kv_lora_rank = 128;
  c.qk_nope_head_dim = 64;
  c.qk_rope_head_dim = 32;
  c.v_head_dim = 64;
  c.intermediate_size = 1536;
  c.moe_intermediate_size = 256;
  c.num_routed_experts = 32;
  c.num_experts_per_token = 4;
  c.num_shared_experts = 1;
  c.num_groups = 4;
  c.topk_group = 2;
  return c;
}

ModelConfig V2LiteSlice() {
  ModelConfig c = Common();
  c.family = ModelFamily::kDeepseekV2;
  c.model_type = "deepseek_v2";
  c.router = RouterKind::kSoftmaxGreedy;
  c.norm_topk_prob = false;
  c.vocab_size = 32000;
  c.hidden_size = 2048;
  c.num_layers = 6;
  c.num_heads = 16;
  c.kv_lora_rank = 512;
  c.qk_nope_head_dim = 128;
  c.qk_rope_head_dim = 64;
  c.v_head_dim = 128;
  c.intermediate_size = 10944;
  c.moe_intermediate_size = 1408;
  c.num_routed_experts = 64;
  c.num_experts_per_token = 6;
  c.num_shared_experts = 2;
  return c;
}

ModelConfig V3Slice() {
  ModelConfig c = Common();
  c.family = ModelFamily::kDeepseekV3;
  c.model_type = "deepseek_v3";
  c.vocab_size = 8192;
  c.hidden_size = 7168;
  c.num_layers = 2;
  c.num_heads = 128;
  c.q_lora_rank = 1536;
  c.kv_lora_rank = 512;
  c.qk_nope_head_dim = 128;
  c.qk_rope_head_dim = 64;
  c.v_head_dim = 128;
  c.intermediate_size = 18432;
  c.moe_intermediate_size = 2048;
  c.num_routed_experts = 256;
  c.num_experts_per_token = 8;
  c.num_shared_experts = 1;
  c.num_groups = 8;
  c.topk_group = 4;
  c.routed_scaling_factor = 2.5;
  return c;
}

}  // namespace

std::span<const std::string_view> BenchShapeNames() { return kNames; }

absl::StatusOr<ModelConfig> BenchShape(std::string_view name) {
  if (name == "tiny") return Tiny();
  if (name == "v2lite-slice") return V2LiteSlice();
  if (name == "v3-slice") return V3Slice();
  return InvalidArgument("unknown shape {}; there are tiny, v2lite-slice and v3-slice", name);
}

absl::StatusOr<std::shared_ptr<const Model>> RandomModel(std::string_view shape,
                                                         const LoadOptions& options) {
  ASSIGN_OR_RETURN(const ModelConfig c, BenchShape(shape));
  const int64_t hidden = c.hidden_size, heads = c.num_heads;
  const int64_t largest = std::max(
      {hidden * c.vocab_size, hidden * c.intermediate_size, heads * c.v_head_dim * hidden,
       heads * (c.qk_nope_head_dim + c.qk_rope_head_dim) * std::max<int64_t>(c.q_lora_rank, hidden),
       heads * (c.qk_nope_head_dim + c.v_head_dim) * c.kv_lora_rank});
  constexpr uint64_t kFingerprint = 1;  // it meets no other process
  return Model::Load(std::make_shared<RandomCheckpoint>(largest), c, kFingerprint, options);
}

}  // namespace conclave
