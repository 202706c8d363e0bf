// One step in flight: what the layers of a forward pass share. Inside the engine only.
#pragma once

#include <vector>

#include "common/engine/ffn.h"
#include "common/engine/forward.h"
#include "common/engine/weights.h"

namespace conclave {

// Consecutive rows of one kind; with kPrompt they are one sequence's, at consecutive positions.
struct RowRun {
  int begin = 0;
  int count = 0;
  RowKind kind = RowKind::kPrompt;
};

// Where each row of the batch lies.
struct StepRows {
  int count = 0;
  std::vector<RowRun> runs;
  int half = 0;                       // rotary pairs
  std::vector<int64_t> position;      // [count]
  std::vector<const int32_t*> pages;  // [count], of the row's sequence
  std::vector<float> cos, sin;        // [count, half]
};

// Activations; everything is [rows, ...] and lives as long as the Forward.
struct Activations {
  Scratch<float> x;          // [rows, hidden] the residual stream
  Scratch<float> norm;       // [rows, hidden]
  Scratch<float> q_a;        // [rows, q_lora]
  Scratch<float> q;          // [rows, heads, nope + rope or head_dim]
  Scratch<float> kv;         // [rows, KvWidth]
  Scratch<float> q_latent;   // [row block, heads, kv_lora]
  Scratch<float> mixed;      // [row block, heads, kv_lora]
  Scratch<float> heads;      // [rows, heads, v or head_dim]
  Scratch<float> block;      // [rows, hidden] output of attention or FFN
  Scratch<float> attention;  // per task: see attend_*.cc
  Scratch<float> router;     // [rows, experts]
  Scratch<float> weight;     // [rows, k]
  Scratch<int> index;        // [rows, k]
  Scratch<uint16_t> wire;    // [rows, hidden] bf16 rows for the experts
  Scratch<float> answers;    // [rows * k, hidden]
  std::vector<ExpertPick> picks;
  QuantizedActivations heads_in;  // [row block, heads] rows for kv_b's heads, or latents
  FfnRunner ffn;
};

struct StepContext {
  const ModelConfig& config;
  ComputeMode mode;
  kernels::Isa isa;
  float softmax_scale;
  KvCache& cache;
  ThreadPool& pool;
  ExpertBackend& experts;
  Activations& a;
  const StepRows& rows;
  const StepOptions& options;

  bool bf16() const { return UsesBf16(mode); }
};

// What cached latents of a layer are multiplied by, or null: fixed-point latents lie in the cache
// without the weight of their norm.
inline const float* LatentGain(const StepContext& ctx, const AttentionWeights& weights) {
  return ctx.cache.latent_shape().type == kernels::KvType::kInt16 ? weights.kv_a_norm.data()
                                                                  : nullptr;
}

// x += attention(norm(x)); writes the KV of all rows into layer `layer` and calls on_layer_kv.
void AttentionBlock(const StepContext& ctx, int layer, const AttentionWeights& weights, float* x);

// Attention of one prompt's rows over layer `layer` of the cache, in which their own KV is already:
// q [rows, heads, nope + rope] gives out [rows, heads, v], of all rows of the step.
void AttendPrompt(const StepContext& ctx, int layer, const AttentionWeights& weights,
                  const RowRun& run, const float* q, float* out);

// The absorbed form: attention of rows [row_begin, row_begin + row_count) over layer `layer` of the
// cache: q_latent [row_count, heads, kv_lora] and the rotary part of q [rows, heads, nope + rope]
// give mixed [row_count, heads, kv_lora].
void AttendLatents(const StepContext& ctx, int layer, const AttentionWeights& weights,
                   int row_begin, int row_count, const float* q_latent, const float* q,
                   float* mixed);

// x += attention(norm(x)) with grouped heads; as AttentionBlock.
void GqaBlock(const StepContext& ctx, int layer, const GqaWeights& weights, float* x);

// Attention of all rows over layer `layer` of the cache: q [rows, heads, head_dim] gives out, the
// same shape.
void AttendGrouped(const StepContext& ctx, int layer, const float* q, float* out);

// x += ffn(norm(x)): the dense MLP, or router, routed experts and shared expert. `trace_slot` is
// where the router's tensors go in the trace.
absl::Status FfnBlock(const StepContext& ctx, int layer, int trace_slot,
                      const LayerWeights& weights, float* x);

}  // namespace conclave
