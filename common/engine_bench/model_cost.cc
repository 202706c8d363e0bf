#include "common/engine_bench/model_cost.h"

#include <cmath>

#include "common/engine/weights.h"

namespace conclave {
namespace {

double FfnMacs(const FfnWeights& w) {
  return static_cast<double>(w.gate.m.n) * w.gate.m.k * 2 +
         static_cast<double>(w.down.m.n) * w.down.m.k;
}

}  // namespace

ModelCost ModelCost::Of(const Model& model) {
  const ModelConfig& c = model.config();
  ModelCost cost;
  cost.experts = c.num_routed_experts;
  cost.chosen = c.num_experts_per_token;
  cost.expert_bytes = static_cast<double>(model.experts()->resident_bytes());
  cost.kv_bytes = static_cast<double>(c.KvWidth()) * ActivationBytes(model.mode()) * c.num_layers;
  const double pair =
      c.IsMla() ? c.qk_nope_head_dim + c.qk_rope_head_dim + c.v_head_dim : 2.0 * c.head_dim;
  cost.attention_macs = pair * c.num_heads * c.num_layers;
  const auto add = [&](const Linear& w) {
    cost.dense_bytes += static_cast<double>(w.Bytes());
    cost.linear_macs += static_cast<double>(w.m.n) * w.m.k;
  };
  const ModelWeights& weights = model.weights();
  add(weights.head);
  for (int layer = 0; layer < c.num_layers; ++layer) {
    const LayerWeights& w = weights.layers[layer];
    const AttentionWeights& a = w.attention;
    for (const Linear* linear : {&a.q_a, &a.q_b, &a.kv_a, &a.o, &w.router}) add(*linear);
    for (const Linear* linear : {&w.gqa.q, &w.gqa.k, &w.gqa.v, &w.gqa.o}) add(*linear);
    for (const Linear& head : a.uk) add(head);
    for (const Linear& head : a.uv) add(head);
    for (const Linear* linear : {&w.ffn.gate, &w.ffn.up, &w.ffn.down}) add(*linear);
    if (!w.is_moe) continue;
    const auto expert = model.experts()->Find(layer, 0);
    if (expert.ok()) cost.linear_macs += FfnMacs(**expert) * cost.chosen;
  }
  return cost;
}

double ModelCost::BytesPerRow(int rows, double context) const {
  const double touched = experts > 0 ? 1 - std::pow(1 - chosen / experts, rows) : 0;
  return (dense_bytes + expert_bytes * touched) / rows + kv_bytes * context;
}

}  // namespace conclave
