// Packed weights as the layers use them. Const after loading; inside the engine only.
#pragma once

#include <optional>
#include <vector>

#include "common/engine/buffer.h"
#include "kernels/gemm/packed_matrix.h"

namespace conclave {

// One projection. `m` points into the buffers.
struct Linear {
  kernels::PackedMatrix m;
  Buffer data;
  Buffer scales;
  Buffer irregular;
  int64_t Bytes() const { return data.bytes() + scales.bytes() + irregular.bytes(); }
};

// down(silu(gate(x)) * up(x)): a dense MLP, a shared expert or a routed expert.
struct FfnWeights {
  Linear gate;  // [inner, hidden]
  Linear up;    // [inner, hidden]
  Linear down;  // [hidden, inner]
  int64_t Bytes() const { return gate.Bytes() + up.Bytes() + down.Bytes(); }
};

// Rows by token id: its own row-major copy in the stored type, or the packed output head when tied.
struct Embedding {
  kernels::WeightType type = kernels::WeightType::kBf16;
  int64_t width = 0;
  Buffer rows;                     // [vocab, width]
  const Linear* packed = nullptr;  // used when `rows` is empty
  void Read(int64_t id, float* out) const;
};

// kv_b_proj is kept per head: W_uk takes q_nope into the latent space, its transpose expands
// latents to keys, W_uv takes latents, mixed or not, to values.
struct AttentionWeights {
  std::vector<float> input_norm;  // [hidden]
  Linear q_a;                     // [q_lora, hidden]; empty without q_lora
  std::vector<float> q_a_norm;    // [q_lora]
  Linear q_b;                     // [heads * (nope + rope), q_lora or hidden]
  Linear kv_a;                    // [kv_lora + rope, hidden]
  std::vector<float> kv_a_norm;   // [kv_lora]
  std::vector<Linear> uk;         // [heads] of [kv_lora, nope]
  std::vector<Linear> uv;         // [heads] of [v, kv_lora]
  std::vector<Linear> k_up;       // [heads] of [nope, kv_lora]: uk transposed
  Linear o;                       // [hidden, heads * v]
};

// Attention with grouped heads (llama, qwen2).
struct GqaWeights {
  std::vector<float> input_norm;              // [hidden]
  Linear q;                                   // [heads * head_dim, hidden]
  Linear k, v;                                // [kv_heads * head_dim, hidden]
  std::vector<float> q_bias, k_bias, v_bias;  // one value per output; empty without biases
  Linear o;                                   // [hidden, heads * head_dim]
};

struct LayerWeights {
  AttentionWeights attention;    // MLA
  GqaWeights gqa;                // GQA
  std::vector<float> post_norm;  // [hidden]
  bool is_moe = false;
  Linear router;                   // [experts, hidden]
  std::vector<float> router_bias;  // [experts]; empty with a softmax router
  FfnWeights ffn;                  // the dense MLP, or the shared experts as one
};

struct MtpWeights {
  std::vector<float> embed_norm;       // enorm [hidden]
  std::vector<float> hidden_norm;      // hnorm [hidden]
  std::vector<float> head_norm;        // shared_head.norm [hidden]
  Linear eh_proj;                      // [hidden, 2 * hidden], the embedding half first
  std::optional<Embedding> embedding;  // only when it differs from the model's own
  std::optional<Linear> head;          // likewise
};

struct ModelWeights {
  Embedding embedding;
  std::vector<LayerWeights> layers;  // MTP layers last
  std::vector<float> final_norm;     // [hidden]
  Linear head;                       // [vocab, hidden]
  std::optional<MtpWeights> mtp;
};

}  // namespace conclave
