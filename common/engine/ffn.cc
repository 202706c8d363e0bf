#include "common/engine/ffn.h"

#include <algorithm>
#include <vector>

#include "common/base/check.h"
#include "kernels/moe/swiglu.h"

namespace conclave {
namespace {

constexpr int kPanelChannels = kernels::kPanelTiles * kernels::kTile;

// gate = silu(gate) * up for the channels of some panels, right after both were computed.
void SwiGluPanels(const kernels::GemmParams& gate, const float* up, int panel_begin, int panel_end,
                  bool round_bf16, kernels::Isa isa) {
  const int begin = panel_begin * kPanelChannels;
  const int count = std::min(panel_end * kPanelChannels, gate.w.n) - begin;
  for (int64_t row = 0; row < gate.rows; ++row) {
    const int64_t at = row * gate.out_stride + begin;
    kernels::SwiGlu({.gate = gate.out + at,
                     .up = up + at,
                     .out = gate.out + at,
                     .count = count,
                     .round_bf16 = round_bf16},
                    isa);
  }
}

bool SameQuantization(const FfnWeights& a, const FfnWeights& b) {
  return a.gate.m.activations == b.gate.m.activations && a.up.m.activations == b.up.m.activations &&
         a.down.m.activations == b.down.m.activations;
}

}  // namespace

void FfnRunner::Run(const FfnInput& input, std::span<const FfnGroup> groups, ComputeMode mode,
                    kernels::Isa isa, ThreadPool& pool) {
  // Groups share their quantised activations, so each kind of weights runs by itself. A checkpoint
  // seldom mixes them.
  std::vector<FfnGroup> same, others;
  for (const FfnGroup& g : groups)
    (SameQuantization(*g.weights, *groups[0].weights) ? same : others).push_back(g);
  if (!others.empty()) Run(input, others, mode, isa, pool);
  RunAlike(input, same, mode, isa, pool);
}

void FfnRunner::RunAlike(const FfnInput& input, std::span<const FfnGroup> groups, ComputeMode mode,
                         kernels::Isa isa, ThreadPool& pool) {
  if (groups.empty()) return;
  const FfnWeights& first = *groups[0].weights;
  const int64_t inner = first.gate.m.n;
  int64_t rows = 0;
  for (const FfnGroup& g : groups) {
    CONCLAVE_CHECK(g.weights->gate.m.n == inner && g.weights->gate.m.k == first.gate.m.k);
    rows += g.rows;
  }
  float* gate = gate_.Get(rows * inner);
  float* up = up_.Get(rows * inner);
  quantized_x_.Quantize(pool, isa, first.gate.m.activations, input.x, input.x_count, first.gate.m.k,
                        first.gate.m.k);
  const bool up_differs = first.up.m.activations != first.gate.m.activations;
  if (up_differs) {
    quantized_up_.Quantize(pool, isa, first.up.m.activations, input.x, input.x_count, first.up.m.k,
                           first.up.m.k);
  }

  std::vector<kernels::GemmParams> gates, ups, downs;
  int64_t row = 0;
  for (const FfnGroup& g : groups) {
    kernels::GemmParams p = DenseGemm(g.weights->gate, input.x, gate + row * inner, g.rows);
    p.x_rows = g.x_rows;
    kernels::GemmParams u = DenseGemm(g.weights->up, input.x, up + row * inner, g.rows);
    u.x_rows = g.x_rows;
    quantized_x_.Apply(0, &p);
    (up_differs ? quantized_up_ : quantized_x_).Apply(0, &u);
    gates.push_back(p);
    ups.push_back(u);
    row += g.rows;
  }
  const auto gate_and_up = [&](const GemmPiece& piece) {
    const kernels::GemmParams& g = gates[piece.gemm];
    const kernels::GemmParams& u = ups[piece.gemm];
    kernels::GemmPanels(g, piece.panel_begin, piece.panel_end, isa);
    kernels::GemmPanels(u, piece.panel_begin, piece.panel_end, isa);
    SwiGluPanels(g, u.out, piece.panel_begin, piece.panel_end, UsesBf16(mode), isa);
  };
  double estimate = 0;
  for (const auto& g : gates) estimate += 2 * EstimateNs(g);
  const std::vector<GemmPiece> pieces = CutGemms(gates, pool.threads());
  ParallelFor(pool, static_cast<int>(pieces.size()), estimate,
              [&](int task) { gate_and_up(pieces[task]); });

  quantized_inner_.Quantize(pool, isa, first.down.m.activations, gate, rows, inner, inner);
  row = 0;
  for (const FfnGroup& g : groups) {
    kernels::GemmParams p = DenseGemm(g.weights->down, gate + row * inner, input.out, g.rows);
    p.out_rows = g.out_rows;
    quantized_inner_.Apply(row, &p);
    downs.push_back(p);
    row += g.rows;
  }
  RunGemms(pool, isa, downs);
}

}  // namespace conclave
