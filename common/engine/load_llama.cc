#include "common/engine/load_layers.h"

namespace conclave {

absl::StatusOr<LayerWeights> LoadLlamaLayer(const WeightLoader& loader, const ModelConfig& c,
                                            int layer) {
  const std::string p = fmt::format("model.layers.{}.", layer), a = p + "self_attn.";
  const int64_t q_out = static_cast<int64_t>(c.num_heads) * c.head_dim,
                kv_out = static_cast<int64_t>(c.num_kv_heads) * c.head_dim;
  LayerWeights w;
  GqaWeights& g = w.gqa;
  ASSIGN_OR_RETURN(g.input_norm, loader.LoadVector(p + "input_layernorm.weight", c.hidden_size));
  ASSIGN_OR_RETURN(g.q, loader.LoadLinear(a + "q_proj", q_out, c.hidden_size));
  ASSIGN_OR_RETURN(g.k, loader.LoadLinear(a + "k_proj", kv_out, c.hidden_size));
  ASSIGN_OR_RETURN(g.v, loader.LoadLinear(a + "v_proj", kv_out, c.hidden_size));
  if (c.qkv_bias) {
    ASSIGN_OR_RETURN(g.q_bias, loader.LoadVector(a + "q_proj.bias", q_out));
    ASSIGN_OR_RETURN(g.k_bias, loader.LoadVector(a + "k_proj.bias", kv_out));
    ASSIGN_OR_RETURN(g.v_bias, loader.LoadVector(a + "v_proj.bias", kv_out));
  }
  ASSIGN_OR_RETURN(g.o, loader.LoadLinear(a + "o_proj", c.hidden_size, q_out));
  ASSIGN_OR_RETURN(w.post_norm,
                   loader.LoadVector(p + "post_attention_layernorm.weight", c.hidden_size));
  ASSIGN_OR_RETURN(w.ffn, loader.LoadFfn(p + "mlp.", c.hidden_size, c.intermediate_size));
  return w;
}

}  // namespace conclave
