#include "common/engine/parallel.h"

#include <algorithm>
#include <memory>

#include "common/engine/quantized_activations.h"

namespace conclave {
namespace {

// Rough rates of one core; only the cut depends on them.
constexpr double kNsPerByte = 0.07;
constexpr double kNsPerMac = 0.016;
constexpr double kNsPerInt8Mac = 0.004, kNsPerInt16Mac = 0.008;
// Guided self-scheduling (Polychronopoulos and Kuck, 1987): a piece is this part of a thread's
// share of what is left, so that long streams come first and threads end together. Then the
// shortest one.
constexpr int kSharesAhead = 3;
constexpr double kPieceNs = 4000;

// Quantised rows by where they came from: GEMMs of one call often share their activations.
struct QuantizedInput {
  const float* x;
  int64_t rows, cols, stride;
  kernels::ActivationQuant quant;
  QuantizedActivations quantized;

  bool Serves(const kernels::GemmParams& g, int64_t needed) const {
    return x == g.x && rows >= needed && cols == g.w.k && stride == g.x_stride &&
           quant == g.w.activations;
  }
};

bool NeedsQuantizing(const kernels::GemmParams& g) {
  return g.w.activations != kernels::ActivationQuant::kNone && g.x_scales == nullptr && g.rows > 0;
}

// Rows of x up to the last one that is read.
int64_t InputRows(const kernels::GemmParams& g) {
  if (g.x_rows == nullptr) return g.rows;
  return int64_t{*std::max_element(g.x_rows, g.x_rows + g.rows)} + 1;
}

// Calls made by one thread reuse the memory.
std::vector<std::unique_ptr<QuantizedInput>>& QuantizedInputs() {
  thread_local std::vector<std::unique_ptr<QuantizedInput>> inputs;
  return inputs;
}

std::vector<kernels::GemmParams> QuantizeInputs(ThreadPool& pool, kernels::Isa isa,
                                                std::span<const kernels::GemmParams> gemms) {
  std::vector<kernels::GemmParams> result(gemms.begin(), gemms.end());
  auto& inputs = QuantizedInputs();
  size_t used = 0;
  for (kernels::GemmParams& g : result) {
    if (!NeedsQuantizing(g)) continue;
    const int64_t rows = InputRows(g);
    size_t i = 0;
    while (i < used && !inputs[i]->Serves(g, rows)) ++i;
    if (i == used) {
      if (used == inputs.size()) inputs.push_back(std::make_unique<QuantizedInput>());
      QuantizedInput& input = *inputs[i];
      input.x = g.x, input.rows = rows, input.cols = g.w.k, input.stride = g.x_stride;
      input.quant = g.w.activations;
      input.quantized.Quantize(pool, isa, input.quant, g.x, rows, g.w.k, g.x_stride);
      ++used;
    }
    inputs[i]->quantized.Apply(0, &g);
  }
  return result;
}

void RunPieces(ThreadPool& pool, kernels::Isa isa, std::span<const kernels::GemmParams> gemms) {
  double estimate = 0;
  for (const auto& g : gemms) estimate += EstimateNs(g);
  if (estimate == 0) return;
  if (pool.threads() == 1 || estimate < kInlineNs) {
    for (const auto& g : gemms) kernels::GemmPanels(g, 0, g.w.panels(), isa);
    return;
  }
  const std::vector<GemmPiece> pieces = CutGemms(gemms, pool.threads());
  pool.Run(static_cast<int>(pieces.size()), [&](int task) {
    const GemmPiece& p = pieces[task];
    kernels::GemmPanels(gemms[p.gemm], p.panel_begin, p.panel_end, isa);
  });
}

}  // namespace

void ParallelFor(ThreadPool& pool, int items, double estimate_ns,
                 const std::function<void(int item)>& body) {
  if (items > 1 && pool.threads() > 1 && estimate_ns >= kInlineNs) return pool.Run(items, body);
  for (int item = 0; item < items; ++item) body(item);
}

double EstimateNs(const kernels::GemmParams& g) {
  if (g.rows == 0) return 0;
  const double per_mac = g.w.type == kernels::WeightType::kInt8                ? kNsPerInt8Mac
                         : g.w.activations == kernels::ActivationQuant::kInt16 ? kNsPerInt16Mac
                                                                               : kNsPerMac;
  return std::max(kNsPerByte * static_cast<double>(g.w.data_bytes()),
                  per_mac * static_cast<double>(g.w.n) * g.w.k * g.rows);
}

std::vector<GemmPiece> CutGemms(std::span<const kernels::GemmParams> gemms, int threads) {
  double left = 0;
  for (const auto& g : gemms) left += EstimateNs(g);
  std::vector<GemmPiece> pieces;
  for (int i = 0; i < static_cast<int>(gemms.size()); ++i) {
    const auto& g = gemms[i];
    if (g.rows == 0) continue;
    const int panels = g.w.panels();
    const double panel_ns = EstimateNs(g) / panels;
    for (int begin = 0; begin < panels;) {
      const double wanted = std::max(left / (threads * kSharesAhead), kPieceNs);
      const int count = std::clamp(static_cast<int>(wanted / panel_ns), 1, panels - begin);
      pieces.push_back({i, begin, begin + count});
      begin += count;
      left -= panel_ns * count;
    }
  }
  return pieces;
}

void RunGemms(ThreadPool& pool, kernels::Isa isa, std::span<const kernels::GemmParams> gemms) {
  if (std::any_of(gemms.begin(), gemms.end(), NeedsQuantizing))
    return RunPieces(pool, isa, QuantizeInputs(pool, isa, gemms));
  RunPieces(pool, isa, gemms);
}

kernels::GemmParams DenseGemm(const Linear& w, const float* x, float* out, int rows) {
  return {.w = w.m, .x = x, .out = out, .rows = rows, .x_stride = w.m.k, .out_stride = w.m.n};
}

}  // namespace conclave
