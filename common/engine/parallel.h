// Spreads kernels over a thread pool. Work too small to be worth waking a thread runs on the
// caller; how it is cut never changes a bit of the result.
#pragma once

#include <functional>
#include <span>

#include "common/concurrency/thread_pool.h"
#include "common/engine/weights.h"
#include "kernels/gemm/gemm.h"

namespace conclave {

// Work (roughly: multiply-adds) below which a loop runs on the caller: about 30 microseconds of one
// core, against 5 to 50 for waking a sleeping thread.
inline constexpr int64_t kInlineWork = 1 << 20;

// body(item) for each item; `work` is the estimate for all items together.
void ParallelFor(ThreadPool& pool, int items, int64_t work,
                 const std::function<void(int item)>& body);

// All GEMMs as one loop; they must not depend on each other.
void RunGemms(ThreadPool& pool, kernels::Isa isa, std::span<const kernels::GemmParams> gemms);

// out [rows, w.n] = x [rows, w.k] W^T, both dense.
kernels::GemmParams DenseGemm(const Linear& w, const float* x, float* out, int rows);

}  // namespace conclave
