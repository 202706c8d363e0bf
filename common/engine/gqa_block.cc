#include <cstring>

#include "common/engine/elementwise.h"
#include "common/engine/step.h"
#include "kernels/quant/quant.h"
#include "kernels/rope/rope.h"

namespace conclave {
namespace {

void AddBias(const std::vector<float>& bias, int rows, int64_t stride, float* x) {
  const int64_t width = static_cast<int64_t>(bias.size());
  for (int row = 0; row < rows && width > 0; ++row, x += stride)
    for (int64_t i = 0; i < width; ++i) x[i] += bias[i];
}

// Rotates the keys and stores keys and values in the cache's type.
void WriteKv(const StepContext& ctx, int layer, float* kv) {
  const ModelConfig& c = ctx.config;
  const int width = c.KvWidth(), half = ctx.rows.half;
  for (int row = 0; row < ctx.rows.count; ++row) {
    float* values = kv + static_cast<int64_t>(row) * width;
    kernels::RopeHalfSplit(values, c.num_kv_heads, c.head_dim, half, &ctx.rows.cos[row * half],
                           &ctx.rows.sin[row * half]);
    const int64_t position = ctx.rows.position[row];
    uint8_t* entry = ctx.cache.PageLayer(ctx.rows.pages[row][position / kPageTokens], layer) +
                     position % kPageTokens * ctx.cache.TokenBytes();
    if (ctx.bf16()) {
      kernels::EncodeBf16Row(values, width, reinterpret_cast<uint16_t*>(entry));
    } else {
      std::memcpy(entry, values, sizeof(float) * width);
    }
  }
}

}  // namespace

void GqaBlock(const StepContext& ctx, int layer, const GqaWeights& w, float* x) {
  const ModelConfig& c = ctx.config;
  const int rows = ctx.rows.count, half = ctx.rows.half;
  const int64_t hidden = c.hidden_size, q_width = static_cast<int64_t>(c.num_heads) * c.head_dim,
                kv_width = c.KvWidth();
  float* norm = ctx.a.norm.Get(rows * hidden);
  float* q = ctx.a.q.Get(rows * q_width);
  float* kv = ctx.a.kv.Get(rows * kv_width);  // [rows][keys of all heads, values of all heads]
  float* values = kv + kv_width / 2;

  NormRows(ctx, {.rows = rows,
                 .width = c.hidden_size,
                 .eps = static_cast<float>(c.rms_norm_eps),
                 .x = x,
                 .weight = w.input_norm,
                 .out = norm,
                 .round = true});
  kernels::GemmParams k_gemm = DenseGemm(w.k, norm, kv, rows),
                      v_gemm = DenseGemm(w.v, norm, values, rows);
  k_gemm.out_stride = v_gemm.out_stride = kv_width;
  RunGemms(
      ctx.pool, ctx.isa,
      std::initializer_list<kernels::GemmParams>{DenseGemm(w.q, norm, q, rows), k_gemm, v_gemm});
  AddBias(w.q_bias, rows, q_width, q);
  AddBias(w.k_bias, rows, kv_width, kv);
  AddBias(w.v_bias, rows, kv_width, values);
  WriteKv(ctx, layer, kv);
  if (ctx.options.on_layer_kv) ctx.options.on_layer_kv(layer);

  ForRows(ctx, rows, 2.0 * c.num_heads * half, [&](int64_t row) {
    kernels::RopeHalfSplit(q + row * q_width, c.num_heads, c.head_dim, half,
                           &ctx.rows.cos[row * half], &ctx.rows.sin[row * half]);
  });
  RoundOperands(ctx, q, rows * q_width);
  float* heads = ctx.a.heads.Get(rows * q_width);
  AttendGrouped(ctx, layer, q, heads);
  RoundOperands(ctx, heads, rows * q_width);
  float* block = ctx.a.block.Get(rows * hidden);
  RunGemms(ctx.pool, ctx.isa,
           std::initializer_list<kernels::GemmParams>{DenseGemm(w.o, heads, block, rows)});
  AddRows(ctx, block, rows * hidden, x);
}

}  // namespace conclave
