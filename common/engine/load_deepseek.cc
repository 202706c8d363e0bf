#include "common/engine/load_layers.h"

namespace conclave {

absl::StatusOr<LayerWeights> LoadDeepseekLayer(const WeightLoader& loader, const ModelConfig& c,
                                               int layer) {
  const std::string p = fmt::format("model.layers.{}.", layer), a = p + "self_attn.";
  LayerWeights w;
  AttentionWeights& at = w.attention;
  const int64_t q_out =
      static_cast<int64_t>(c.num_heads) * (c.qk_nope_head_dim + c.qk_rope_head_dim);
  ASSIGN_OR_RETURN(at.input_norm, loader.LoadVector(p + "input_layernorm.weight", c.hidden_size));
  if (c.q_lora_rank > 0) {
    ASSIGN_OR_RETURN(at.q_a, loader.LoadLinear(a + "q_a_proj", c.q_lora_rank, c.hidden_size));
    ASSIGN_OR_RETURN(at.q_a_norm, loader.LoadVector(a + "q_a_layernorm.weight", c.q_lora_rank));
    ASSIGN_OR_RETURN(at.q_b, loader.LoadLinear(a + "q_b_proj", q_out, c.q_lora_rank));
  } else {
    ASSIGN_OR_RETURN(at.q_b, loader.LoadLinear(a + "q_proj", q_out, c.hidden_size));
  }
  ASSIGN_OR_RETURN(at.kv_a,
                   loader.LoadLinear(a + "kv_a_proj_with_mqa", c.KvWidth(), c.hidden_size));
  ASSIGN_OR_RETURN(at.kv_a_norm, loader.LoadVector(a + "kv_a_layernorm.weight", c.kv_lora_rank));
  RETURN_IF_ERROR(loader.LoadKvB(a + "kv_b_proj", &at));
  ASSIGN_OR_RETURN(at.o, loader.LoadLinear(a + "o_proj", c.hidden_size,
                                           static_cast<int64_t>(c.num_heads) * c.v_head_dim));
  ASSIGN_OR_RETURN(w.post_norm,
                   loader.LoadVector(p + "post_attention_layernorm.weight", c.hidden_size));
  w.is_moe = c.IsMoeLayer(layer);
  if (!w.is_moe) {
    ASSIGN_OR_RETURN(w.ffn, loader.LoadFfn(p + "mlp.", c.hidden_size, c.intermediate_size));
    return w;
  }
  ASSIGN_OR_RETURN(w.router, loader.LoadLinear(p + "mlp.gate", c.num_routed_experts, c.hidden_size,
                                               WeightLoader::Precision::kExact));
  if (c.router == RouterKind::kSigmoidBias) {
    ASSIGN_OR_RETURN(w.router_bias, loader.LoadVector(p + "mlp.gate.e_score_correction_bias",
                                                      c.num_routed_experts));
  }
  if (c.num_shared_experts > 0) {
    ASSIGN_OR_RETURN(w.ffn, loader.LoadFfn(p + "mlp.shared_experts.", c.hidden_size,
                                           static_cast<int64_t>(c.num_shared_experts) *
                                               c.moe_intermediate_size));
  }
  return w;
}

absl::StatusOr<MtpWeights> LoadMtp(const WeightLoader& loader, const ModelConfig& c) {
  const std::string p = fmt::format("model.layers.{}.", c.num_layers);
  MtpWeights w;
  ASSIGN_OR_RETURN(w.embed_norm, loader.LoadVector(p + "enorm.weight", c.hidden_size));
  ASSIGN_OR_RETURN(w.hidden_norm, loader.LoadVector(p + "hnorm.weight", c.hidden_size));
  ASSIGN_OR_RETURN(w.head_norm, loader.LoadVector(p + "shared_head.norm.weight", c.hidden_size));
  ASSIGN_OR_RETURN(w.eh_proj, loader.LoadLinear(p + "eh_proj", c.hidden_size, 2 * c.hidden_size));
  // V3 ships the embedding and the head a second time: equal bytes are not kept twice.
  const std::string main_head = c.tie_word_embeddings ? "model.embed_tokens" : "lm_head";
  const std::string embed = p + "embed_tokens", head = p + "shared_head.head";
  if (loader.Has(embed + ".weight") &&
      !loader.SameTensor(embed + ".weight", "model.embed_tokens.weight")) {
    ASSIGN_OR_RETURN(w.embedding, loader.LoadEmbedding(embed + ".weight"));
  }
  if (loader.Has(head + ".weight") && !loader.SameTensor(head + ".weight", main_head + ".weight")) {
    ASSIGN_OR_RETURN(w.head, loader.LoadLinear(head, c.vocab_size, c.hidden_size));
  }
  return w;
}

}  // namespace conclave
