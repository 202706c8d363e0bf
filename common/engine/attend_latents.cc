#include <algorithm>
#include <atomic>
#include <cstring>

#include "common/engine/parallel.h"
#include "common/engine/step.h"
#include "common/engine/unit_claims.h"
#include "kernels/attention/mla.h"

namespace conclave {
namespace {

using kernels::kMlaGroupSplits;
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
  bool StartsGroup() const { return split % kMlaGroupSplits == 0; }
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
    // What a worker reads first nobody has fetched for it.
    if (worker.packed != unit.row)
      PackQuery(unit.row, worker.packed < 0 ? params.span : kernels::MlaSpan{}, worker.query);
    worker.packed = unit.row;
    kernels::MlaSplit(params, ctx_.isa);
  }

  // Results of splits, or of groups, `stride` splits apart.
  void Merge(float* into, const float* parts, int count, int stride, int head_begin,
             int head_end) const {
    kernels::MlaMerge({.shape = shape_,
                       .heads = heads_,
                       .head_begin = head_begin,
                       .head_end = head_end,
                       .into = into,
                       .parts = parts,
                       .count = count,
                       .part_stride = stride * partial_floats()},
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
  // Fetches the first page of `ahead` meanwhile.
  void PackQuery(int row, const kernels::MlaSpan& ahead, float* out) const {
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
         .out = out,
         .ahead = ahead.pages != nullptr
                      ? ctx_.cache.PageLayer(ahead.pages[ahead.begin / kPageTokens], layer_)
                      : nullptr,
         .ahead_bytes =
             std::min<int64_t>(kPageTokens, ahead.end - ahead.begin) * shape_.TokenBytes()},
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

// A whole row at a time, its splits and groups merged as they come.
void RunRows(const StepContext& ctx, const Attend& attend, int rows, int workers) {
  const int64_t partial = attend.partial_floats(), each = attend.worker_floats() + 3 * partial;
  float* memory = AlignedScratch(ctx, each * workers);
  std::atomic<int> claimed{0};
  const auto body = [&](int index) {
    float* state = memory + each * index;
    float* group = state + partial;
    float* part = group + partial;
    Attend::Worker worker = attend.MakeWorker(part + partial);
    int row = claimed.fetch_add(1);
    while (row < rows) {
      const int next_row = claimed.fetch_add(1), splits = attend.splits(row);
      for (int split = 0; split < splits; ++split) {
        const Unit unit{row, split}, after{row, split + 1};
        const Unit next = after.split < splits ? after
                          : next_row < rows    ? Unit{next_row, 0}
                                               : Unit{-1, 0};
        float* into = split < kMlaGroupSplits ? state : group;
        attend.RunSplit(worker, unit, next, unit.StartsGroup() ? into : part);
        if (!unit.StartsGroup()) attend.Merge(into, part, 1, 1, 0, attend.heads());
        if (into == group && (after.split == splits || after.StartsGroup()))
          attend.Merge(state, group, 1, 1, 0, attend.heads());
      }
      attend.Finish(row, state, 0, attend.heads());
      row = next_row;
    }
  };
  if (workers == 1) return body(0);
  ctx.pool.Run(workers, body);
}

// A split at a time, for few rows with long contexts; waves of whole groups bound the memory of
// their results. A worker that computes a group from its start on merges as it goes, in memory that
// it has at hand, not where other threads have read before.
void RunSplits(const StepContext& ctx, const Attend& attend, int rows, int workers) {
  std::vector<Unit> units;
  for (int row = 0; row < rows; ++row)
    for (int split = 0; split < attend.splits(row); ++split) units.push_back({row, split});
  const int64_t partial = attend.partial_floats();
  const int count = static_cast<int>(units.size());
  const int64_t fit = kPartialBytes / (partial * 4), least = std::max(2 * workers, kMlaGroupSplits);
  const int wave = static_cast<int>(std::min<int64_t>(std::max(fit, least), count));
  const int64_t each = attend.worker_floats() + partial;
  float* state = AlignedScratch(ctx, (wave + 1) * partial + each * workers);
  float* parts = state + partial;  // what waves before this one made of its first row
  float* memory = parts + wave * partial;
  std::vector<uint8_t> merged(count);  // into the first split of its group

  for (int begin = 0, end; begin < count; begin = end) {
    end = std::min(begin + wave, count);
    while (end < count && !units[end].StartsGroup()) --end;
    const auto part = [&](int unit) { return parts + (unit - begin) * partial; };
    UnitClaims claims(begin, end, workers);
    ctx.pool.Run(workers, [&](int index) {
      float* own = memory + each * index;
      Attend::Worker worker = attend.MakeWorker(own + partial);
      int group = -1, before = -1;  // the group's first unit, while this worker has all of it
      int unit = claims.Claim(index);
      while (unit >= 0) {
        const int next = claims.Peek(index);
        if (units[unit].StartsGroup()) {
          group = unit;
        } else if (unit != before + 1) {
          group = -1;
        }
        merged[unit] = group >= 0 && unit > group;
        attend.RunSplit(worker, units[unit], next >= 0 ? units[next] : Unit{-1, 0},
                        merged[unit] ? own : part(unit));
        if (merged[unit]) attend.Merge(part(group), own, 1, 1, 0, attend.heads());
        before = unit;
        unit = claims.Claim(index);
      }
    });
    // Every row's results of this wave, by heads.
    std::vector<int> first;  // units
    for (int unit = begin; unit < end; ++unit)
      if (unit == begin || units[unit].split == 0) first.push_back(unit);
    const int slices = std::min(attend.heads(), workers);
    const double estimate_ns = static_cast<double>(end - begin) / kMlaGroupSplits * partial / 4;
    ParallelFor(ctx.pool, static_cast<int>(first.size()) * slices, estimate_ns, [&](int item) {
      const int at = item / slices, unit = first[at], slice = item % slices;
      const int head_begin = slice * attend.heads() / slices,
                head_end = (slice + 1) * attend.heads() / slices;
      const int until = at + 1 < static_cast<int>(first.size()) ? first[at + 1] : end;
      const int row = units[unit].row;
      const bool goes_on = until == end && units[until - 1].split + 1 < attend.splits(row);
      int groups = 0;
      for (int group = unit; group < until; group += kMlaGroupSplits, ++groups) {
        const int group_end = std::min(until, group + kMlaGroupSplits);
        int rest = group + 1;
        while (rest < group_end && merged[rest]) ++rest;
        attend.Merge(part(group), part(rest), group_end - rest, 1, head_begin, head_end);
      }
      const bool continued = units[unit].split > 0;
      float* into = continued ? state : part(unit);
      attend.Merge(into, part(continued ? unit : unit + kMlaGroupSplits),
                   continued ? groups : groups - 1, kMlaGroupSplits, head_begin, head_end);
      if (!goes_on) attend.Finish(row, into, head_begin, head_end);
    });
    const int last = first.back();
    const bool goes_on = units[end - 1].split + 1 < attend.splits(units[end - 1].row);
    if (goes_on && units[last].split == 0) std::memcpy(state, part(last), partial * sizeof(float));
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
