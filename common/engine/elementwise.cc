#include "common/engine/elementwise.h"

#include <algorithm>

#include "common/engine/parallel.h"
#include "kernels/moe/combine.h"
#include "kernels/norm/rmsnorm.h"
#include "kernels/quant/bf16.h"

namespace conclave {
namespace {

constexpr double kNsPerValue = 0.15;
constexpr int64_t kPiece = 1 << 14;  // values of one task

// body(begin, count) for pieces of `count` values.
template <class F>
void ForValues(const StepContext& ctx, int64_t count, const F& body) {
  const int pieces = static_cast<int>((count + kPiece - 1) / kPiece);
  ParallelFor(ctx.pool, pieces, kNsPerValue * static_cast<double>(count), [&](int piece) {
    const int64_t begin = piece * kPiece;
    body(begin, std::min(kPiece, count - begin));
  });
}

}  // namespace

void ForRows(const StepContext& ctx, int64_t rows, double row_ns,
             const std::function<void(int64_t row)>& body) {
  // A few rows per task, so that taking a task costs nothing beside it.
  const int64_t each = std::clamp<int64_t>(static_cast<int64_t>(4000 / (row_ns + 1)), 1, 64);
  const int tasks = static_cast<int>((rows + each - 1) / each);
  ParallelFor(ctx.pool, tasks, row_ns * static_cast<double>(rows), [&](int task) {
    const int64_t end = std::min(rows, (task + 1) * each);
    for (int64_t row = task * each; row < end; ++row) body(row);
  });
}

void NormRows(const StepContext& ctx, const NormRowsParams& p) {
  const int64_t stride = p.stride > 0 ? p.stride : p.width;
  ForRows(ctx, p.rows, 2 * kNsPerValue * p.width, [&](int64_t row) {
    float* out = p.out + row * stride;
    kernels::RmsNorm({.rows = 1,
                      .width = p.width,
                      .eps = p.eps,
                      .x = p.x + row * stride,
                      .x_stride = stride,
                      .weight = p.weight.data(),
                      .out = out,
                      .out_stride = stride});
    if (p.round && ctx.bf16()) kernels::RoundToBf16(out, p.width);
  });
}

void RoundOperands(const StepContext& ctx, float* values, int64_t count) {
  if (!ctx.bf16()) return;
  ForValues(ctx, count, [&](int64_t begin, int64_t n) { kernels::RoundToBf16(values + begin, n); });
}

void AddRows(const StepContext& ctx, const float* y, int64_t count, float* x) {
  ForValues(ctx, count, [&](int64_t begin, int64_t n) { kernels::AddTo(y + begin, n, x + begin); });
}

}  // namespace conclave
