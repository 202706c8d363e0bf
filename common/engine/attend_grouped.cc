#include <algorithm>
#include <atomic>

#include "common/engine/step.h"
#include "kernels/attention/gqa.h"

namespace conclave {
namespace {

using kernels::kGqaQueries;
using kernels::kGqaSplitTokens;
static_assert(kPageTokens == kernels::kGqaPageTokens);

// Multiply-adds below which the loop runs on the caller: about 10 microseconds of one core, against
// 5 to 50 for waking a sleeping thread.
constexpr int64_t kInlineMacs = 1 << 18;

// Rows of one sequence at consecutive positions whose last tokens lie in one page: they read the
// same pages and have the same number of splits.
struct Tile {
  int row;
  int rows;
};

int Splits(int64_t position) { return static_cast<int>(position / kGqaSplitTokens) + 1; }

std::vector<Tile> CutRows(const StepRows& rows, int most) {
  std::vector<Tile> tiles;
  for (int row = 0; row < rows.count; ++row) {
    const int64_t position = rows.position[row];
    const bool next = !tiles.empty() && tiles.back().rows < most &&
                      rows.pages[row] == rows.pages[row - 1] &&
                      position == rows.position[row - 1] + 1 && position % kPageTokens != 0;
    if (next) {
      ++tiles.back().rows;
    } else {
      tiles.push_back({row, 1});
    }
  }
  return tiles;
}

// One layer being attended. An item is a tile times a block of query heads of one KV head.
struct Attend {
  const StepContext& ctx;
  int layer;
  const float* q;
  float* out;
  int block;   // query heads of an item, at most
  int blocks;  // per KV head
  std::vector<Tile> tiles;

  const ModelConfig& config() const { return ctx.config; }
  int group() const { return config().num_heads / config().num_kv_heads; }
  int items() const { return static_cast<int>(tiles.size()) * config().num_kv_heads * blocks; }
  const Tile& tile(int item) const { return tiles[item / blocks / config().num_kv_heads]; }
  int splits(int item) const { return Splits(ctx.rows.position[tile(item).row]); }

  struct Heads {
    int kv, first, count;
  };
  Heads heads(int item) const {
    const int kv = item / blocks % config().num_kv_heads, begin = item % blocks * block;
    return {kv, kv * group() + begin, std::min(block, group() - begin)};
  }

  // `partials`: max [splits][queries], sum likewise, mix [splits][queries][width].
  void RunSplit(int item, int split, float* scratch, float* partials) const {
    const Tile& t = tile(item);
    const Heads h = heads(item);
    const int64_t queries = t.rows * h.count, total = splits(item) * queries;
    const int64_t value_bytes = ActivationBytes(ctx.mode), dim = config().head_dim;
    kernels::GqaSplit(
        {.head_dim = config().head_dim,
         .group = h.count,
         .rows = t.rows,
         .scale = ctx.softmax_scale,
         .kv_bf16 = ctx.bf16(),
         .kv = ctx.cache.PageLayer(0, layer) + h.kv * dim * value_bytes,
         .page_stride = ctx.cache.PageBytes(),
         .token_stride = ctx.cache.TokenBytes(),
         .value_offset = config().num_kv_heads * dim * value_bytes,
         .pages = ctx.rows.pages[t.row],
         .token_begin = static_cast<int64_t>(split) * kGqaSplitTokens,
         .context = ctx.rows.position[t.row] + 1,
         .q = q + (static_cast<int64_t>(t.row) * config().num_heads + h.first) * dim,
         .q_stride = config().num_heads * dim,
         .scratch = scratch,
         .max = partials + split * queries,
         .sum = partials + total + split * queries,
         .mix = partials + 2 * total + split * queries * kernels::GqaWidth(config().head_dim)},
        ctx.isa);
  }

  void Merge(int item, const float* partials) const {
    const Tile& t = tile(item);
    const Heads h = heads(item);
    const int64_t total = static_cast<int64_t>(splits(item)) * t.rows * h.count;
    kernels::GqaMerge({.splits = splits(item),
                       .head_dim = config().head_dim,
                       .group = h.count,
                       .rows = t.rows,
                       .max = partials,
                       .sum = partials + total,
                       .mix = partials + 2 * total,
                       .out = out + (static_cast<int64_t>(t.row) * config().num_heads + h.first) *
                                        config().head_dim,
                       .out_stride = static_cast<int64_t>(config().num_heads) * config().head_dim});
  }
};

}  // namespace

void AttendGrouped(const StepContext& ctx, int layer, const float* q, float* out) {
  const int group = ctx.config.num_heads / ctx.config.num_kv_heads;
  const int block = std::min(group, kGqaQueries);
  const Attend attend{ctx,
                      layer,
                      q,
                      out,
                      block,
                      (group + block - 1) / block,
                      CutRows(ctx.rows, kGqaQueries / block)};
  int64_t tokens = 0;
  int max_splits = 1;
  for (int row = 0; row < ctx.rows.count; ++row) {
    tokens += ctx.rows.position[row] + 1;
    max_splits = std::max(max_splits, Splits(ctx.rows.position[row]));
  }
  const int items = attend.items();
  const int64_t work = 2 * tokens * ctx.config.num_heads * ctx.config.head_dim;
  const int workers = work < kInlineMacs ? 1 : ctx.pool.threads();
  const int64_t scratch = kernels::GqaScratchFloats(ctx.config.head_dim);
  const int64_t partial =
      static_cast<int64_t>(max_splits) * kGqaQueries * (2 + kernels::GqaWidth(ctx.config.head_dim));

  // Few items with a long context are spread by split, many by item with all splits of an item on
  // one worker. The kernel calls are the same.
  std::atomic<int> next{0};
  if (workers > 1 && max_splits > 1 && items < 2 * workers) {
    float* memory = ctx.a.attention.Get(scratch * workers + partial * items);
    float* partials = memory + scratch * workers;
    ctx.pool.Run(workers, [&](int worker) {
      for (int unit; (unit = next.fetch_add(1)) < items * max_splits;) {
        const int item = unit / max_splits, split = unit % max_splits;
        if (split < attend.splits(item))
          attend.RunSplit(item, split, memory + scratch * worker, partials + partial * item);
      }
    });
    for (int item = 0; item < items; ++item) attend.Merge(item, partials + partial * item);
    return;
  }
  float* memory = ctx.a.attention.Get((scratch + partial) * workers);
  const auto body = [&](int worker) {
    float* mine = memory + (scratch + partial) * worker;
    for (int item; (item = next.fetch_add(1)) < items;) {
      for (int split = 0; split < attend.splits(item); ++split)
        attend.RunSplit(item, split, mine, mine + scratch);
      attend.Merge(item, mine + scratch);
    }
  };
  if (workers == 1) {
    body(0);
  } else {
    ctx.pool.Run(workers, body);
  }
}

}  // namespace conclave
