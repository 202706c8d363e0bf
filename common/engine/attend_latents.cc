#include <algorithm>
#include <atomic>
#include <cstring>

#include "common/engine/parallel.h"
#include "common/engine/step.h"
#include "kernels/attention/mla.h"

namespace conclave {
namespace {

using kernels::kMlaSplitTokens;
using kernels::MlaLanes;
static_assert(kPageTokens == kernels::kMlaPageTokens);

// Multiply-adds of one thread in a nanosecond, roughly.
constexpr double kMacsPerNs = 64;
// Results of splits in memory at once: what second-level caches hold.
constexpr int64_t kPartialBytes = 4 << 20;
constexpr int64_t kAlign = 16;  // floats of a cache line

int64_t Aligned(int64_t floats) { return (floats + kAlign - 1) / kAlign * kAlign; }

struct Unit {
  int row = 0;
  int split = 0;
};

// Rows of one layer being attended, in the absorbed form.
class Attend {
 public:
  Attend(const StepContext& ctx, int layer, const float* gain, int row_begin, const float* q_latent,
         const float* q, float* mixed)
      : ctx_(ctx),
        shape_(ctx.cache.latent_shape()),
        gain_(gain),
        heads_(ctx.config.num_heads),
        layer_(layer),
        row_begin_(row_begin),
        q_latent_(q_latent),
        q_(q),
        mixed_(mixed) {}

  int splits(int row) const { return static_cast<int>((tokens(row) - 1) / kMlaSplitTokens) + 1; }
  int64_t tokens(int row) const { return ctx_.rows.position[row_begin_ + row] + 1; }
  int heads() const { return heads_; }
  const kernels::MlaCacheShape& shape() const { return shape_; }
  int64_t partial_floats() const { return Aligned(kernels::MlaPartialFloats(heads_, shape_)); }
  int64_t query_floats() const { return Aligned(kernels::MlaQueryFloats(heads_, shape_)); }
  int64_t scratch_floats() const { return Aligned(kernels::MlaScratchFloats(shape_)); }

  // What one thread works with.
  struct Worker {
    float* query = nullptr;  // of row `packed`
    int packed = -1;
    float* scratch = nullptr;
  };
  int64_t worker_floats() const { return query_floats() + scratch_floats(); }
  Worker MakeWorker(float* memory) const {
    return {.query = memory, .scratch = memory + query_floats()};
  }

  // `next` is what this worker does afterwards, or row -1.
  void RunSplit(Worker& worker, Unit unit, Unit next, float* partial) const {
    const kernels::MlaSplitParams params = {.shape = shape_,
                                            .heads = heads_,
                                            .kv = ctx_.cache.PageLayer(0, layer_),
                                            .page_stride = ctx_.cache.PageBytes(),
                                            .span = Span(unit),
                                            .next = next.row < 0 ? kernels::MlaSpan{} : Span(next),
                                            .q = worker.query,
                                            .scratch = worker.scratch,
                                            .max = partial,
                                            .sum = partial + MlaLanes(heads_),
                                            .mix = partial + 2 * MlaLanes(heads_)};
    if (worker.packed < 0) kernels::MlaFetch(params);
    if (worker.packed != unit.row) PackQuery(unit.row, worker.query);
    worker.packed = unit.row;
    kernels::MlaSplit(params, ctx_.isa);
  }

  void Merge(float* into, const float* parts, int count, int head_begin, int head_end) const {
    kernels::MlaMerge({.shape = shape_,
                       .heads = heads_,
                       .head_begin = head_begin,
                       .head_end = head_end,
                       .into = into,
                       .parts = parts,
                       .count = count,
                       .part_stride = partial_floats()},
                      ctx_.isa);
  }
  void Finish(int row, const float* partial, int head_begin, int head_end) const {
    kernels::MlaNormalise(partial, shape_, gain_, heads_, head_begin, head_end,
                          mixed_ + static_cast<int64_t>(row) * heads_ * shape_.latent);
  }

 private:
  kernels::MlaSpan Span(Unit unit) const {
    const int64_t begin = static_cast<int64_t>(unit.split) * kMlaSplitTokens;
    return {ctx_.rows.pages[row_begin_ + unit.row], begin,
            std::min<int64_t>(tokens(unit.row), begin + kMlaSplitTokens)};
  }
  void PackQuery(int row, float* out) const {
    const int nope = ctx_.config.qk_nope_head_dim;
    const int64_t head_dim = nope + shape_.rope;
    kernels::MlaPackQuery(
        {.shape = shape_,
         .heads = heads_,
         .scale = ctx_.softmax_scale,
         .q_latent = q_latent_ + static_cast<int64_t>(row) * heads_ * shape_.latent,
         .gain = gain_,
         .q_rope = q_ + (row_begin_ + row) * heads_ * head_dim + nope,
         .rope_stride = head_dim,
         .out = out},
        ctx_.isa);
  }

  const StepContext& ctx_;
  const kernels::MlaCacheShape shape_;
  const float* const gain_;
  const int heads_, layer_, row_begin_;
  const float* const q_latent_;
  const float* const q_;
  float* const mixed_;
};

float* AlignedScratch(const StepContext& ctx, int64_t floats) {
  float* p = ctx.a.attention.Get(floats + kAlign);
  const uintptr_t line = kAlign * sizeof(float);
  return reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(p) + line - 1) / line * line);
}

// A whole row at a time, its splits merged as they come.
void RunRows(const StepContext& ctx, const Attend& attend, int rows, int workers) {
  const int64_t partial = attend.partial_floats(), each = attend.worker_floats() + 2 * partial;
  float* memory = AlignedScratch(ctx, each * workers);
  std::atomic<int> claimed{0};
  const auto body = [&](int index) {
    float* state = memory + each * index;
    float* part = state + partial;
    Attend::Worker worker = attend.MakeWorker(part + partial);
    int row = claimed.fetch_add(1);
    while (row < rows) {
      const int next_row = claimed.fetch_add(1), splits = attend.splits(row);
      for (int split = 0; split < splits; ++split) {
        const Unit next = split + 1 < splits ? Unit{row, split + 1}
                          : next_row < rows  ? Unit{next_row, 0}
                                             : Unit{-1, 0};
        attend.RunSplit(worker, {row, split}, next, split == 0 ? state : part);
        if (split > 0) attend.Merge(state, part, 1, 0, attend.heads());
      }
      attend.Finish(row, state, 0, attend.heads());
      row = next_row;
    }
  };
  if (workers == 1) return body(0);
  ctx.pool.Run(workers, body);
}

// Hands out units to workers: each takes its own part in order, which keeps equal cores equally
// busy, and then what others have left.
class UnitClaims {
 public:
  UnitClaims(int begin, int end, int workers) : parts_(workers) {
    for (int i = 0; i < workers; ++i) {
      parts_[i].next = begin + static_cast<int>(int64_t{end - begin} * i / workers);
      parts_[i].end = begin + static_cast<int>(int64_t{end - begin} * (i + 1) / workers);
    }
  }
  // -1 when nothing is left.
  int Claim(int worker) {
    for (size_t i = 0; i < parts_.size(); ++i) {
      Part& part = parts_[(worker + i) % parts_.size()];
      if (part.next.load(std::memory_order_relaxed) >= part.end) continue;
      const int unit = part.next.fetch_add(1, std::memory_order_relaxed);
      if (unit < part.end) return unit;
    }
    return -1;
  }

 private:
  struct alignas(64) Part {
    std::atomic<int> next{0};
    int end = 0;
  };
  std::vector<Part> parts_;
};

// A split at a time, for few rows with long contexts; waves bound the memory of their results.
void RunSplits(const StepContext& ctx, const Attend& attend, int rows, int workers) {
  std::vector<Unit> units;
  for (int row = 0; row < rows; ++row)
    for (int split = 0; split < attend.splits(row); ++split) units.push_back({row, split});
  const int64_t partial = attend.partial_floats();
  const int64_t fit = std::max<int64_t>(kPartialBytes / (partial * 4), 2 * workers);
  const int wave = static_cast<int>(std::min(fit, static_cast<int64_t>(units.size())));
  float* state = AlignedScratch(ctx, (wave + 1) * partial + attend.worker_floats() * workers);
  float* parts = state + partial;  // what waves before this one made of its first row
  float* memory = parts + wave * partial;

  for (int begin = 0; begin < static_cast<int>(units.size()); begin += wave) {
    const int end = std::min<int>(begin + wave, static_cast<int>(units.size()));
    UnitClaims claims(begin, end, workers);
    ctx.pool.Run(workers, [&](int index) {
      Attend::Worker worker = attend.MakeWorker(memory + attend.worker_floats() * index);
      int unit = claims.Claim(index);
      while (unit >= 0) {
        const int next = claims.Claim(index);
        attend.RunSplit(worker, units[unit], next >= 0 ? units[next] : Unit{-1, 0},
                        parts + (unit - begin) * partial);
        unit = next;
      }
    });
    // Every row's results of this wave, by heads.
    std::vector<int> first;  // units
    for (int unit = begin; unit < end; ++unit)
      if (unit == begin || units[unit].split == 0) first.push_back(unit);
    const int slices = std::min(attend.heads(), workers);
    const double estimate_ns = static_cast<double>(end - begin) * partial / 8;
    ParallelFor(ctx.pool, static_cast<int>(first.size()) * slices, estimate_ns, [&](int item) {
      const int at = item / slices, unit = first[at], slice = item % slices;
      const int head_begin = slice * attend.heads() / slices,
                head_end = (slice + 1) * attend.heads() / slices;
      const int until = at + 1 < static_cast<int>(first.size()) ? first[at + 1] : end;
      const int row = units[unit].row;
      const bool goes_on = until == end && units[until - 1].split + 1 < attend.splits(row);
      float* into = units[unit].split > 0 ? state : parts + (unit - begin) * partial;
      const int merged = units[unit].split > 0 ? unit : unit + 1;
      attend.Merge(into, parts + (merged - begin) * partial, until - merged, head_begin, head_end);
      if (!goes_on) attend.Finish(row, into, head_begin, head_end);
    });
    const int last = first.back();
    const bool goes_on = units[end - 1].split + 1 < attend.splits(units[end - 1].row);
    if (goes_on && units[last].split == 0)
      std::memcpy(state, parts + (last - begin) * partial, partial * sizeof(float));
  }
}

}  // namespace

void AttendLatents(const StepContext& ctx, int layer, const AttentionWeights& w, int row_begin,
                   int row_count, const float* q_latent, const float* q, float* mixed) {
  const Attend attend(ctx, layer, LatentGain(ctx, w), row_begin, q_latent, q, mixed);
  int64_t tokens = 0;
  int units = 0;
  for (int row = 0; row < row_count; ++row) {
    tokens += attend.tokens(row);
    units += attend.splits(row);
  }
  const double estimate_ns = static_cast<double>(tokens) * attend.heads() *
                             (2 * attend.shape().latent + attend.shape().rope) / kMacsPerNs;
  const int workers = estimate_ns < kInlineNs ? 1 : std::min(ctx.pool.threads(), units);
  if (workers > 1 && row_count < 4 * workers && units > row_count) {
    RunSplits(ctx, attend, row_count, workers);
  } else {
    RunRows(ctx, attend, row_count, std::min(workers, row_count));
  }
}

}  // namespace conclave
