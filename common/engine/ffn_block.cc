#include "common/engine/elementwise.h"
#include "common/engine/step.h"
#include "kernels/moe/combine.h"
#include "kernels/moe/route.h"
#include "kernels/quant/quant.h"

namespace conclave {
namespace {

void RouteRows(const StepContext& ctx, const LayerWeights& w, const float* norm, int* index,
               float* weight) {
  const ModelConfig& c = ctx.config;
  const int rows = ctx.rows.count;
  float* logits = ctx.a.router.Get(static_cast<int64_t>(rows) * c.num_routed_experts);
  RunGemms(ctx.pool, ctx.isa,
           std::initializer_list<kernels::GemmParams>{DenseGemm(w.router, norm, logits, rows)});
  kernels::Route({.rows = rows,
                  .experts = c.num_routed_experts,
                  .groups = c.num_groups,
                  .topk_group = c.topk_group,
                  .k = c.num_experts_per_token,
                  .normalise = c.norm_topk_prob,
                  .scaling = static_cast<float>(c.routed_scaling_factor),
                  .logits = logits,
                  .bias = w.router_bias.empty() ? nullptr : w.router_bias.data(),
                  .index = index,
                  .weight = weight,
                  .score = c.router == RouterKind::kSigmoidBias ? kernels::RouteScore::kSigmoid
                                                                : kernels::RouteScore::kSoftmax});
}

void TraceRouter(const StepContext& ctx, int slot, const int* index, const float* weight) {
  ForwardTrace* trace = ctx.options.trace;
  if (trace == nullptr) return;
  const int64_t rows = ctx.rows.count, picks = rows * ctx.config.num_experts_per_token;
  const float* logits = ctx.a.router.Get(0);
  trace->router_logits[slot].assign(logits, logits + rows * ctx.config.num_routed_experts);
  trace->topk_idx[slot].assign(index, index + picks);
  trace->topk_weight[slot].assign(weight, weight + picks);
}

// `norm` is float32 for the router and is rounded afterwards for the experts.
absl::Status MoeBlock(const StepContext& ctx, int layer, int trace_slot, const LayerWeights& w,
                      float* norm, float* x) {
  const ModelConfig& c = ctx.config;
  const int rows = ctx.rows.count, k = c.num_experts_per_token;
  const int64_t hidden = c.hidden_size;
  int* index = ctx.a.index.Get(static_cast<int64_t>(rows) * k);
  float* weight = ctx.a.weight.Get(static_cast<int64_t>(rows) * k);
  RouteRows(ctx, w, norm, index, weight);
  TraceRouter(ctx, trace_slot, index, weight);

  RoundOperands(ctx, norm, rows * hidden);
  const void* wire = norm;
  if (ctx.bf16()) {
    uint16_t* encoded = ctx.a.wire.Get(rows * hidden);
    ForRows(ctx, rows, 0.1 * static_cast<double>(hidden), [&](int64_t row) {
      kernels::EncodeBf16Row(norm + row * hidden, hidden, encoded + row * hidden);
    });
    wire = encoded;
  }
  ctx.a.picks.clear();
  for (int i = 0; i < rows * k; ++i)
    ctx.a.picks.push_back({static_cast<uint32_t>(i / k), static_cast<uint32_t>(index[i])});
  float* answers = ctx.a.answers.Get(rows * k * hidden);
  const RoutedRows routed{.layer = layer,
                          .num_rows = rows,
                          .hidden = c.hidden_size,
                          .mode = ctx.mode,
                          .rows = wire,
                          .picks = ctx.a.picks,
                          .deadline = ctx.options.deadline};
  ASSIGN_OR_RETURN(const auto call, ctx.experts.Dispatch(routed, answers));
  float* shared = ctx.a.block.Get(rows * hidden);
  const bool has_shared = w.ffn.gate.m.n > 0;
  if (has_shared) {
    const FfnGroup group{.weights = &w.ffn, .rows = rows};
    ctx.a.ffn.Run({norm, rows, shared}, {&group, 1}, ctx.mode, ctx.isa, ctx.pool);
  }
  RETURN_IF_ERROR(call->Wait());

  ForRows(ctx, rows, 0.15 * static_cast<double>((k + 2) * hidden), [&](int64_t row) {
    kernels::Combine({.rows = 1,
                      .k = k,
                      .width = hidden,
                      .weight = weight + row * k,
                      .answers = answers + row * k * hidden,
                      .shared = has_shared ? shared + row * hidden : nullptr,
                      .x = x + row * hidden});
  });
  return absl::OkStatus();
}

}  // namespace

absl::Status FfnBlock(const StepContext& ctx, int layer, int trace_slot, const LayerWeights& w,
                      float* x) {
  const int rows = ctx.rows.count;
  const int64_t hidden = ctx.config.hidden_size;
  float* norm = ctx.a.norm.Get(rows * hidden);
  NormRows(ctx, {.rows = rows,
                 .width = ctx.config.hidden_size,
                 .eps = static_cast<float>(ctx.config.rms_norm_eps),
                 .x = x,
                 .weight = w.post_norm,
                 .out = norm,
                 .round = !w.is_moe});
  if (w.is_moe) return MoeBlock(ctx, layer, trace_slot, w, norm, x);
  float* out = ctx.a.block.Get(rows * hidden);
  const FfnGroup group{.weights = &w.ffn, .rows = rows};
  ctx.a.ffn.Run({norm, rows, out}, {&group, 1}, ctx.mode, ctx.isa, ctx.pool);
  AddRows(ctx, out, rows * hidden, x);
  return absl::OkStatus();
}

}  // namespace conclave
