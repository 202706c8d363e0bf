#include <algorithm>
#include <atomic>

#include "common/engine/step.h"
#include "kernels/attention/mla.h"

namespace conclave {
namespace {

using kernels::kMlaHeads;
using kernels::kMlaSplitTokens;
static_assert(kPageTokens == kernels::kMlaPageTokens);

// Float offsets inside the memory of one result: max, sum, then the mixture.
int64_t PartialFloats(int latent) { return (2 + static_cast<int64_t>(latent)) * kMlaHeads; }

int Splits(int64_t position) { return static_cast<int>(position / kMlaSplitTokens) + 1; }

// One row block of one layer being attended.
struct Attend {
  const StepContext& ctx;
  int layer;
  int row_begin;
  const float* q_latent;
  const float* q;
  float* mixed;
  int head_blocks;

  int latent() const { return ctx.config.kv_lora_rank; }
  int rope() const { return ctx.config.qk_rope_head_dim; }
  int heads() const { return ctx.config.num_heads; }
  int64_t scratch_floats() const {  // transposed query, page in float32
    return static_cast<int64_t>(latent() + rope()) * (kMlaHeads + kPageTokens);
  }

  // The query of up to 16 heads, one head per lane.
  void TransposeQuery(int row, int head_begin, float* out) const {
    const int64_t head_dim = ctx.config.qk_nope_head_dim + rope();
    std::fill_n(out, (latent() + rope()) * kMlaHeads, 0.0f);
    for (int lane = 0; lane < std::min(kMlaHeads, heads() - head_begin); ++lane) {
      const int h = head_begin + lane;
      const float* from = q_latent + (static_cast<int64_t>(row) * heads() + h) * latent();
      for (int d = 0; d < latent(); ++d) out[d * kMlaHeads + lane] = from[d];
      from = q + (static_cast<int64_t>(row_begin + row) * heads() + h) * head_dim +
             ctx.config.qk_nope_head_dim;
      for (int d = 0; d < rope(); ++d) out[(latent() + d) * kMlaHeads + lane] = from[d];
    }
  }

  // `partials`: max [splits], sum [splits], mix [splits] of one (row, head block).
  void RunSplit(int row, int head_block, int split, int splits, float* scratch,
                float* partials) const {
    const int64_t tokens = ctx.rows.position[row_begin + row] + 1;
    TransposeQuery(row, head_block * kMlaHeads, scratch);
    kernels::MlaSplit(
        {.latent = latent(),
         .rope = rope(),
         .scale = ctx.softmax_scale,
         .kv_bf16 = ctx.bf16(),
         .kv = ctx.cache.PageLayer(0, layer),
         .page_stride = ctx.cache.PageBytes(),
         .pages = ctx.rows.pages[row_begin + row],
         .token_begin = static_cast<int64_t>(split) * kMlaSplitTokens,
         .token_end = std::min<int64_t>(tokens, static_cast<int64_t>(split + 1) * kMlaSplitTokens),
         .q = scratch,
         .page_scratch = scratch + static_cast<int64_t>(latent() + rope()) * kMlaHeads,
         .max = partials + split * kMlaHeads,
         .sum = partials + (splits + split) * kMlaHeads,
         .mix = partials + (2 * splits + static_cast<int64_t>(split) * latent()) * kMlaHeads},
        ctx.isa);
  }

  void Merge(int row, int head_block, int splits, const float* partials) const {
    const int head_begin = head_block * kMlaHeads;
    kernels::MlaMerge(
        {.splits = splits,
         .latent = latent(),
         .heads = std::min(kMlaHeads, heads() - head_begin),
         .max = partials,
         .sum = partials + splits * kMlaHeads,
         .mix = partials + static_cast<int64_t>(2 * splits) * kMlaHeads,
         .out = mixed + (static_cast<int64_t>(row) * heads() + head_begin) * latent()});
  }
};

}  // namespace

void AttendLatents(const StepContext& ctx, int layer, int row_begin, int row_count,
                   const float* q_latent, const float* q, float* mixed) {
  const int head_blocks = (ctx.config.num_heads + kMlaHeads - 1) / kMlaHeads;
  const Attend attend{ctx, layer, row_begin, q_latent, q, mixed, head_blocks};
  const int items = row_count * head_blocks;
  int max_splits = 1;
  int64_t tokens = 0;
  for (int row = 0; row < row_count; ++row) {
    const int64_t position = ctx.rows.position[row_begin + row];
    max_splits = std::max(max_splits, Splits(position));
    tokens += position + 1;
  }
  const int64_t partial = PartialFloats(attend.latent()) * max_splits,
                scratch = attend.scratch_floats();
  const int64_t work = tokens * head_blocks * kMlaHeads * (2 * attend.latent() + attend.rope());
  constexpr int64_t kInlineWork = 1 << 18;  // multiply-adds that one thread does as fast alone
  const int workers = work < kInlineWork ? 1 : ctx.pool.threads();

  // Few rows with a long context are spread by split; many rows by row and head block, with all
  // splits of an item on one worker. The kernel calls are the same.
  if (workers > 1 && max_splits > 1 && items < 2 * workers) {
    const int units = items * max_splits;
    float* memory = ctx.a.attention.Get(scratch * workers + partial * items);
    float* partials = memory + scratch * workers;
    std::atomic<int> next{0};
    ctx.pool.Run(workers, [&](int worker) {
      for (int unit; (unit = next.fetch_add(1)) < units;) {
        const int item = unit / max_splits, split = unit % max_splits, row = item / head_blocks;
        const int splits = Splits(ctx.rows.position[row_begin + row]);
        if (split < splits) {
          attend.RunSplit(row, item % head_blocks, split, splits, memory + scratch * worker,
                          partials + partial * item);
        }
      }
    });
    for (int item = 0; item < items; ++item) {
      const int row = item / head_blocks;
      attend.Merge(row, item % head_blocks, Splits(ctx.rows.position[row_begin + row]),
                   partials + partial * item);
    }
    return;
  }
  float* memory = ctx.a.attention.Get((scratch + partial) * workers);
  std::atomic<int> next{0};
  const auto worker_body = [&](int worker) {
    float* mine = memory + (scratch + partial) * worker;
    for (int item; (item = next.fetch_add(1)) < items;) {
      const int row = item / head_blocks, head_block = item % head_blocks;
      const int splits = Splits(ctx.rows.position[row_begin + row]);
      for (int split = 0; split < splits; ++split)
        attend.RunSplit(row, head_block, split, splits, mine, mine + scratch);
      attend.Merge(row, head_block, splits, mine + scratch);
    }
  };
  if (workers == 1) {
    worker_body(0);
  } else {
    ctx.pool.Run(workers, worker_body);
  }
}

}  // namespace conclave
