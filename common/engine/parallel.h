// Spreads kernels over a thread pool. Work too small to be worth a second thread runs on the
// caller; how it is cut never changes a bit of the result.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "common/concurrency/thread_pool.h"
#include "common/engine/weights.h"
#include "kernels/gemm/gemm.h"

namespace conclave {

// Estimated time below which a loop runs on the caller: a second thread that still spins costs
// about 1 microsecond, one that sleeps 5 to 50.
inline constexpr double kInlineNs = 8000;

// body(item) for each item; `estimate_ns` is one thread's time for all items together.
void ParallelFor(ThreadPool& pool, int items, double estimate_ns,
                 const std::function<void(int item)>& body);

// One thread's time for a GEMM: the larger of reading the weights and multiplying.
double EstimateNs(const kernels::GemmParams& gemm);

// Consecutive panels of one GEMM (of one index into a list): what one thread does at a time.
struct GemmPiece {
  int gemm;
  int panel_begin;
  int panel_end;
};
// Cuts GEMMs into pieces for `threads`, small enough to even out threads that are descheduled.
std::vector<GemmPiece> CutGemms(std::span<const kernels::GemmParams> gemms, int threads);

// All GEMMs as one loop; they must not depend on each other. Activations are quantised first where
// the weights ask for it and the caller has not done so.
void RunGemms(ThreadPool& pool, kernels::Isa isa, std::span<const kernels::GemmParams> gemms);

// out [rows, w.n] = x [rows, w.k] W^T, both dense.
kernels::GemmParams DenseGemm(const Linear& w, const float* x, float* out, int rows);

}  // namespace conclave
