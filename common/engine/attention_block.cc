#include <algorithm>

#include "common/engine/elementwise.h"
#include "common/engine/step.h"
#include "kernels/attention/mla.h"
#include "kernels/norm/rmsnorm.h"
#include "kernels/quant/quant.h"
#include "kernels/rope/rope.h"

namespace conclave {
namespace {

// Both reference implementations use this for the two inner norms, whatever config.json says.
constexpr float kLoraNormEps = 1e-6f;
// Rows whose latent queries are in memory at once.
constexpr int kRowBlock = 64;

// Normalises the latent, rotates the shared key, and stores both in the cache's type. The latent of
// a cache in fixed point without the norm's weight.
void WriteKv(const StepContext& ctx, int layer, const AttentionWeights& w, float* kv) {
  const ModelConfig& c = ctx.config;
  const int width = c.KvWidth(), half = ctx.rows.half;
  kernels::RmsNorm({.rows = ctx.rows.count,
                    .width = c.kv_lora_rank,
                    .eps = kLoraNormEps,
                    .x = kv,
                    .x_stride = width,
                    .weight = LatentGain(ctx, w) != nullptr ? nullptr : w.kv_a_norm.data(),
                    .out = kv,
                    .out_stride = width});
  for (int row = 0; row < ctx.rows.count; ++row) {
    float* values = kv + static_cast<int64_t>(row) * width;
    kernels::RopeInterleaved(values + c.kv_lora_rank, 1, 0, half, &ctx.rows.cos[row * half],
                             &ctx.rows.sin[row * half]);
    const int64_t position = ctx.rows.position[row];
    uint8_t* entry = ctx.cache.PageLayer(ctx.rows.pages[row][position / kPageTokens], layer) +
                     position % kPageTokens * ctx.cache.TokenBytes();
    kernels::MlaEncodeToken(ctx.cache.latent_shape(), values, entry);
  }
}

// Every head's part of some rows through its own weights: x [rows, heads, x_stride] gives
// out [rows, heads, n].
void RunHeads(const StepContext& ctx, std::span<const Linear> weights, const float* x,
              int64_t x_stride, int rows, float* out) {
  const int heads = static_cast<int>(weights.size()), n = weights[0].m.n;
  const auto quantised = std::find_if(weights.begin(), weights.end(), [](const Linear& w) {
    return w.m.activations != kernels::ActivationQuant::kNone;
  });
  if (quantised != weights.end()) {
    ctx.a.heads_in.Quantize(ctx.pool, ctx.isa, quantised->m.activations, x, int64_t{rows} * heads,
                            quantised->m.k, x_stride);
  }
  std::vector<uint32_t> every(rows);
  for (int row = 0; row < rows; ++row) every[row] = row * heads;
  std::vector<kernels::GemmParams> gemms;
  for (int h = 0; h < heads; ++h) {
    gemms.push_back({.w = weights[h].m,
                     .x = x + h * x_stride,
                     .out = out + h * n,
                     .rows = rows,
                     .x_stride = x_stride,
                     .out_stride = int64_t{heads} * n,
                     .x_rows = every.data()});
    if (weights[h].m.activations != kernels::ActivationQuant::kNone)
      ctx.a.heads_in.Apply(h, &gemms.back());
  }
  RunGemms(ctx.pool, ctx.isa, gemms);
}

// Queries into the latent space, attention there, and values out of it.
void AttendGenerated(const StepContext& ctx, int layer, const AttentionWeights& w,
                     const RowRun& run, const float* q, float* out) {
  const ModelConfig& c = ctx.config;
  const int heads = c.num_heads;
  const int64_t head_dim = c.qk_nope_head_dim + c.qk_rope_head_dim, latent = c.kv_lora_rank;
  for (int begin = run.begin; begin < run.begin + run.count; begin += kRowBlock) {
    const int count = std::min(kRowBlock, run.begin + run.count - begin);
    const int64_t values = count * heads * latent;
    float* q_latent = ctx.a.q_latent.Get(values);
    float* mixed = ctx.a.mixed.Get(values);
    RunHeads(ctx, w.uk, q + begin * heads * head_dim, head_dim, count, q_latent);
    RoundOperands(ctx, q_latent, values);
    AttendLatents(ctx, layer, w, begin, count, q_latent, q, mixed);
    RoundOperands(ctx, mixed, values);
    RunHeads(ctx, w.uv, mixed, latent, count, out + int64_t{begin} * heads * c.v_head_dim);
  }
}

}  // namespace

void AttentionBlock(const StepContext& ctx, int layer, const AttentionWeights& w, float* x) {
  const ModelConfig& c = ctx.config;
  const int rows = ctx.rows.count, heads = c.num_heads, half = ctx.rows.half;
  const int64_t head_dim = c.qk_nope_head_dim + c.qk_rope_head_dim, hidden = c.hidden_size;
  float* norm = ctx.a.norm.Get(rows * hidden);
  float* q = ctx.a.q.Get(rows * heads * head_dim);
  float* kv = ctx.a.kv.Get(static_cast<int64_t>(rows) * c.KvWidth());

  NormRows(ctx, {.rows = rows,
                 .width = c.hidden_size,
                 .eps = static_cast<float>(c.rms_norm_eps),
                 .x = x,
                 .weight = w.input_norm,
                 .out = norm,
                 .round = true});
  if (c.q_lora_rank > 0) {
    float* q_a = ctx.a.q_a.Get(static_cast<int64_t>(rows) * c.q_lora_rank);
    RunGemms(ctx.pool, ctx.isa,
             std::initializer_list<kernels::GemmParams>{DenseGemm(w.q_a, norm, q_a, rows),
                                                        DenseGemm(w.kv_a, norm, kv, rows)});
    NormRows(ctx, {.rows = rows,
                   .width = c.q_lora_rank,
                   .eps = kLoraNormEps,
                   .x = q_a,
                   .weight = w.q_a_norm,
                   .out = q_a,
                   .round = true});
    RunGemms(ctx.pool, ctx.isa,
             std::initializer_list<kernels::GemmParams>{DenseGemm(w.q_b, q_a, q, rows)});
  } else {
    RunGemms(ctx.pool, ctx.isa,
             std::initializer_list<kernels::GemmParams>{DenseGemm(w.q_b, norm, q, rows),
                                                        DenseGemm(w.kv_a, norm, kv, rows)});
  }
  WriteKv(ctx, layer, w, kv);
  if (ctx.options.on_layer_kv) ctx.options.on_layer_kv(layer);

  ForRows(ctx, rows, 2.0 * heads * half, [&](int64_t row) {
    kernels::RopeInterleaved(q + row * heads * head_dim + c.qk_nope_head_dim, heads, head_dim, half,
                             &ctx.rows.cos[row * half], &ctx.rows.sin[row * half]);
  });
  RoundOperands(ctx, q, rows * heads * head_dim);

  float* out = ctx.a.heads.Get(static_cast<int64_t>(rows) * heads * c.v_head_dim);
  for (const RowRun& run : ctx.rows.runs) {
    if (run.kind == RowKind::kPrompt) {
      AttendPrompt(ctx, layer, w, run, q, out);
    } else {
      AttendGenerated(ctx, layer, w, run, q, out);
    }
  }
  RoundOperands(ctx, out, static_cast<int64_t>(rows) * heads * c.v_head_dim);
  float* block = ctx.a.block.Get(rows * hidden);
  RunGemms(ctx.pool, ctx.isa,
           std::initializer_list<kernels::GemmParams>{DenseGemm(w.o, out, block, rows)});
  AddRows(ctx, block, rows * hidden, x);
}

}  // namespace conclave
