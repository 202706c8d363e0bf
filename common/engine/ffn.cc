#include "common/engine/ffn.h"

#include <algorithm>
#include <vector>

#include "kernels/moe/swiglu.h"

namespace conclave {
namespace {

constexpr int64_t kSwiGluPiece = 16384;  // values of one task
constexpr int64_t kSwiGluWork = 16;      // cost of one value in multiply-adds

}  // namespace

void FfnRunner::Run(std::span<const FfnGroup> groups, ComputeMode mode, kernels::Isa isa,
                    ThreadPool& pool) {
  int64_t inner = 0;
  for (const FfnGroup& g : groups) inner += static_cast<int64_t>(g.rows) * g.weights->gate.m.n;
  float* gate = gate_.Get(inner);
  float* up = up_.Get(inner);

  std::vector<kernels::GemmParams> gemms;
  int64_t offset = 0;
  for (const FfnGroup& g : groups) {
    gemms.push_back(DenseGemm(g.weights->gate, g.x, gate + offset, g.rows));
    gemms.push_back(DenseGemm(g.weights->up, g.x, up + offset, g.rows));
    offset += static_cast<int64_t>(g.rows) * g.weights->gate.m.n;
  }
  RunGemms(pool, isa, gemms);

  const int pieces = static_cast<int>((inner + kSwiGluPiece - 1) / kSwiGluPiece);
  ParallelFor(pool, pieces, inner * kSwiGluWork, [&](int piece) {
    const int64_t begin = piece * kSwiGluPiece;
    kernels::SwiGlu({.gate = gate + begin,
                     .up = up + begin,
                     .out = gate + begin,
                     .count = std::min(kSwiGluPiece, inner - begin),
                     .round_bf16 = mode == ComputeMode::kBF16},
                    isa);
  });

  gemms.clear();
  offset = 0;
  for (const FfnGroup& g : groups) {
    gemms.push_back(DenseGemm(g.weights->down, gate + offset, g.out, g.rows));
    offset += static_cast<int64_t>(g.rows) * g.weights->gate.m.n;
  }
  RunGemms(pool, isa, gemms);
}

}  // namespace conclave
