#include "common/model/tensor_inventory.h"

#include "common/base/status.h"

namespace conclave {
namespace {

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

class Lister {
 public:
  explicit Lister(const ModelConfig& config) : c_(config) {}

  std::vector<ExpectedTensor> Run() {
    Weight("model.embed_tokens", c_.vocab_size, c_.hidden_size, ModelPart::kEmbedding);
    for (layer_ = 0; layer_ < c_.TotalLayers(); ++layer_) {
      prefix_ = fmt::format("model.layers.{}.", layer_);
      if (layer_ >= c_.num_layers) MtpInput();
      Layer();
      if (layer_ >= c_.num_layers) MtpOutput();
    }
    layer_ = -1;
    prefix_.clear();
    Vector("model.norm.weight", c_.hidden_size, ModelPart::kNorms);
    Weight("lm_head", c_.vocab_size, c_.hidden_size, ModelPart::kHead);
    if (c_.tie_word_embeddings) {  // the embedding is the head; a second copy is not read
      out_.back().presence = Presence::kOptional;
      out_.back().parameters = false;
    }
    return std::move(out_);
  }

 private:
  void Add(std::string name, std::vector<int64_t> shape, std::vector<TensorType> types,
           ModelPart part, Presence presence = Presence::kRequired, bool parameters = true) {
    out_.push_back({prefix_ + std::move(name), std::move(shape), std::move(types), part, layer_,
                    presence, parameters});
  }
  // Norms, biases.
  void Vector(std::string name, int64_t n, ModelPart part) {
    Add(std::move(name), {n}, {TensorType::kBF16, TensorType::kF32}, part);
  }
  // A weight that no checkpoint quantises.
  void Weight(const std::string& name, int64_t n, int64_t k, ModelPart part) {
    Add(name + ".weight", {n, k}, {TensorType::kBF16, TensorType::kF32}, part);
  }
  // A weight that is FP8 where the configuration has FP8 blocks.
  void Linear(const std::string& name, int64_t n, int64_t k, ModelPart part) {
    if (c_.fp8_block == 0) return Weight(name, n, k, part);
    Add(name + ".weight", {n, k}, {TensorType::kF8E4M3, TensorType::kBF16, TensorType::kF32}, part);
    Add(name + ".weight_scale_inv", {CeilDiv(n, c_.fp8_block), CeilDiv(k, c_.fp8_block)},
        {TensorType::kF32}, part, Presence::kWithFp8, /*parameters=*/false);
  }
  void Ffn(const std::string& name, int64_t inner, ModelPart part) {
    Linear(name + ".gate_proj", inner, c_.hidden_size, part);
    Linear(name + ".up_proj", inner, c_.hidden_size, part);
    Linear(name + ".down_proj", c_.hidden_size, inner, part);
  }

  void LatentAttention() {
    constexpr ModelPart kPart = ModelPart::kAttention;
    const int64_t heads = c_.num_heads, hidden = c_.hidden_size;
    const int64_t q_out = heads * (c_.qk_nope_head_dim + c_.qk_rope_head_dim);
    if (c_.q_lora_rank > 0) {
      Linear("self_attn.q_a_proj", c_.q_lora_rank, hidden, kPart);
      Vector("self_attn.q_a_layernorm.weight", c_.q_lora_rank, kPart);
      Linear("self_attn.q_b_proj", q_out, c_.q_lora_rank, kPart);
    } else {
      Linear("self_attn.q_proj", q_out, hidden, kPart);
    }
    Linear("self_attn.kv_a_proj_with_mqa", c_.KvWidth(), hidden, kPart);
    Vector("self_attn.kv_a_layernorm.weight", c_.kv_lora_rank, kPart);
    Linear("self_attn.kv_b_proj", heads * (c_.qk_nope_head_dim + c_.v_head_dim), c_.kv_lora_rank,
           kPart);
    Linear("self_attn.o_proj", hidden, heads * c_.v_head_dim, kPart);
  }

  void GroupedAttention() {
    constexpr ModelPart kPart = ModelPart::kAttention;
    const int64_t q = int64_t{c_.num_heads} * c_.head_dim,
                  kv = int64_t{c_.num_kv_heads} * c_.head_dim;
    for (const auto& [name, rows] : {std::pair{"q", q}, std::pair{"k", kv}, std::pair{"v", kv}}) {
      const std::string proj = fmt::format("self_attn.{}_proj", name);
      Linear(proj, rows, c_.hidden_size, kPart);
      if (c_.qkv_bias) Vector(proj + ".bias", rows, kPart);
    }
    Linear("self_attn.o_proj", c_.hidden_size, q, kPart);
  }

  void Layer() {
    Vector("input_layernorm.weight", c_.hidden_size, ModelPart::kNorms);
    if (c_.IsMla()) {
      LatentAttention();
    } else {
      GroupedAttention();
    }
    Vector("post_attention_layernorm.weight", c_.hidden_size, ModelPart::kNorms);
    if (!c_.IsMoeLayer(layer_)) return Ffn("mlp", c_.intermediate_size, ModelPart::kDenseFfn);
    Weight("mlp.gate", c_.num_routed_experts, c_.hidden_size, ModelPart::kRouter);
    if (c_.router == RouterKind::kSigmoidBias)
      Vector("mlp.gate.e_score_correction_bias", c_.num_routed_experts, ModelPart::kRouter);
    for (int e = 0; e < c_.num_routed_experts; ++e)
      Ffn(fmt::format("mlp.experts.{}", e), c_.moe_intermediate_size, ModelPart::kRoutedExperts);
    if (c_.num_shared_experts > 0) {
      Ffn("mlp.shared_experts", int64_t{c_.num_shared_experts} * c_.moe_intermediate_size,
          ModelPart::kSharedExperts);
    }
  }

  void Copy(const std::string& name) {
    Add(name + ".weight", {c_.vocab_size, c_.hidden_size}, {TensorType::kBF16, TensorType::kF32},
        ModelPart::kMtpGlue, Presence::kOptional, /*parameters=*/false);
  }
  void MtpInput() {
    Copy("embed_tokens");
    Vector("enorm.weight", c_.hidden_size, ModelPart::kMtpGlue);
    Vector("hnorm.weight", c_.hidden_size, ModelPart::kMtpGlue);
    Weight("eh_proj", c_.hidden_size, 2 * int64_t{c_.hidden_size}, ModelPart::kMtpGlue);
  }
  void MtpOutput() {
    Vector("shared_head.norm.weight", c_.hidden_size, ModelPart::kMtpGlue);
    Copy("shared_head.head");
  }

  const ModelConfig& c_;
  std::vector<ExpectedTensor> out_;
  int layer_ = -1;
  std::string prefix_;
};

}  // namespace

std::string_view ModelPartName(ModelPart part) {
  switch (part) {
    case ModelPart::kEmbedding:
      return "embedding";
    case ModelPart::kNorms:
      return "norms";
    case ModelPart::kAttention:
      return "attention";
    case ModelPart::kDenseFfn:
      return "dense FFN";
    case ModelPart::kRouter:
      return "router";
    case ModelPart::kSharedExperts:
      return "shared experts";
    case ModelPart::kRoutedExperts:
      return "routed experts";
    case ModelPart::kMtpGlue:
      return "MTP glue";
    case ModelPart::kHead:
      return "head";
  }
  return "?";
}

int64_t ExpectedTensor::Elements() const {
  int64_t elements = 1;
  for (int64_t extent : shape) elements *= extent;
  return elements;
}

std::vector<ExpectedTensor> ListTensors(const ModelConfig& config) { return Lister(config).Run(); }

bool IsIgnorableTensor(std::string_view name) { return name.ends_with(".rotary_emb.inv_freq"); }

}  // namespace conclave
