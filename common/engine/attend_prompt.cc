#include <algorithm>
#include <atomic>

#include "common/engine/parallel.h"
#include "common/engine/step.h"
#include "kernels/attention/mla_prompt.h"
#include "kernels/quant/bf16.h"

namespace conclave {
namespace {

// Tokens whose latents are in float32 at once, shared by all heads, and whose keys and values are
// expanded at once, by one thread for one head. Neither shows in the result.
constexpr int kSharedTokens = 2048;
constexpr int kExpandTokens = 256;
static_assert(kSharedTokens % kExpandTokens == 0 && kExpandTokens % kPageTokens == 0);

constexpr int64_t kAlign = 16;  // floats of a cache line
int64_t Aligned(int64_t floats) { return (floats + kAlign - 1) / kAlign * kAlign; }

// The rows of one prompt in one layer.
class Prompt {
 public:
  Prompt(const StepContext& ctx, int layer, const AttentionWeights& w, const RowRun& run,
         const float* q, float* out)
      : ctx_(ctx),
        w_(w),
        shape_(ctx.cache.latent_shape()),
        layer_(layer),
        begin_(run.begin),
        rows_(run.count),
        heads_(ctx.config.num_heads),
        nope_(ctx.config.qk_nope_head_dim),
        width_(nope_ + shape_.rope),
        channels_(ctx.config.v_head_dim),
        cached_(shape_.latent + shape_.rope),
        stride_(kernels::MlaPromptStride(width_, channels_)),
        q_(q),
        out_(out) {}

  void Run() {
    const int64_t context = ctx_.rows.position[begin_ + rows_ - 1] + 1;
    // Few heads are cut by rows too, so that all threads have work; each part expands for itself.
    const int threads = ctx_.pool.threads(), blocks = Blocks(rows_);
    parts_ = heads_ >= 2 * threads ? 1 : std::min(blocks, (2 * threads + heads_ - 1) / heads_);
    const int64_t state = 2 * Aligned(static_cast<int64_t>(blocks) * kernels::kMlaPromptRows);
    query_floats_ = Aligned(static_cast<int64_t>(blocks) * kernels::kMlaPromptRows * width_);
    task_floats_ = query_floats_ + Aligned(kExpandTokens * stride_);
    float* memory = ctx_.a.attention.Get(kAlign + Aligned(kSharedTokens * cached_) +
                                         heads_ * state + task_floats_ * threads);
    const uintptr_t line = kAlign * sizeof(float);
    latents_ =
        reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(memory) + line - 1) / line * line);
    state_ = latents_ + Aligned(kSharedTokens * cached_);
    state_floats_ = state;
    tasks_ = state_ + heads_ * state;

    const double pairs = static_cast<double>(rows_) * static_cast<double>(context);
    const double macs =
        heads_ * (pairs * (width_ + channels_) +
                  static_cast<double>(context) * shape_.latent * (nope_ + channels_));
    const int workers = macs / 64 < kInlineNs ? 1 : std::min(threads, heads_ * parts_);
    for (int64_t from = 0; from < context; from += kSharedTokens) {
      const int tokens = static_cast<int>(std::min<int64_t>(kSharedTokens, context - from));
      ReadLatents(from, tokens);
      const bool last = from + tokens == context;
      std::atomic<int> claimed{0};
      const auto body = [&](int worker) {
        for (int task; (task = claimed.fetch_add(1)) < heads_ * parts_;)
          Attend(task / parts_, task % parts_, from, tokens, last, tasks_ + task_floats_ * worker);
      };
      if (workers == 1) {
        body(0);
      } else {
        ctx_.pool.Run(workers, body);
      }
    }
  }

 private:
  static int Blocks(int rows) {
    return (rows + kernels::kMlaPromptRows - 1) / kernels::kMlaPromptRows;
  }

  // Tokens [from, from + tokens) of the sequence to float32, rounded as operands.
  void ReadLatents(int64_t from, int tokens) {
    const int pages = (tokens + kPageTokens - 1) / kPageTokens;
    const int32_t* table = ctx_.rows.pages[begin_] + from / kPageTokens;
    ParallelFor(ctx_.pool, pages, static_cast<double>(tokens) * cached_ / 4, [&](int page) {
      const int count = std::min(kPageTokens, tokens - page * kPageTokens);
      float* out = latents_ + static_cast<int64_t>(page) * kPageTokens * cached_;
      kernels::MlaDecodePage({.shape = shape_,
                              .page = ctx_.cache.PageLayer(table[page], layer_),
                              .tokens = count,
                              .gain = LatentGain(ctx_, w_),
                              .out = out,
                              .out_stride = cached_},
                             ctx_.isa);
      if (ctx_.bf16()) kernels::RoundToBf16(out, count * static_cast<int64_t>(cached_));
    });
    // The first head lies on scale borders: when any head's weights ask for codes, its do.
    ctx_.a.heads_in.Quantize(ctx_.pool, ctx_.isa, w_.k_up[0].m.activations, latents_, tokens,
                             shape_.latent, cached_);
  }

  // Keys and values of one head of tokens from `first` on: kv [tokens, stride_] = [nope | rope |
  // value].
  void Expand(int head, int first, int tokens, float* kv) const {
    const float* latents = latents_ + first * cached_;
    for (const auto& [linear, column] :
         {std::pair{&w_.k_up[head], 0}, std::pair{&w_.uv[head], width_}}) {
      kernels::GemmParams g{.w = linear->m,
                            .x = latents,
                            .out = kv + column,
                            .rows = tokens,
                            .x_stride = cached_,
                            .out_stride = stride_};
      if (g.w.activations != kernels::ActivationQuant::kNone) ctx_.a.heads_in.Apply(first, &g);
      kernels::GemmPanels(g, 0, g.w.panels(), ctx_.isa);
    }
    for (int t = 0; t < tokens; ++t) {
      float* to = kv + t * stride_;
      std::copy_n(latents + t * cached_ + shape_.latent, shape_.rope, to + nope_);
    }
  }

  // One head of one part of the rows over shared tokens [from, from + tokens).
  void Attend(int head, int part, int64_t from, int tokens, bool last, float* memory) const {
    const int blocks = Blocks(rows_);
    const int row = blocks * part / parts_ * kernels::kMlaPromptRows;
    const int rows = std::min(rows_, blocks * (part + 1) / parts_ * kernels::kMlaPromptRows) - row;
    const int64_t position = ctx_.rows.position[begin_] + row;
    if (position + rows <= from) return;  // all of these tokens come later
    const int64_t row_values = static_cast<int64_t>(heads_) * width_;
    kernels::MlaPackPromptQuery({.q = q_ + (begin_ + row) * row_values + head * width_,
                                 .row_stride = row_values,
                                 .rows = rows,
                                 .width = width_,
                                 .scale = ctx_.softmax_scale,
                                 .out = memory});
    float* kv = memory + query_floats_;
    float* state = state_ + head * state_floats_ + row;
    kernels::MlaPromptParams p{
        .kv = kv,
        .stride = stride_,
        .width = width_,
        .channels = channels_,
        .q = memory,
        .rows = rows,
        .position = position,
        .max = state,
        .sum = state + state_floats_ / 2,
        .mix = out_ + (static_cast<int64_t>(begin_ + row) * heads_ + head) * channels_,
        .mix_stride = static_cast<int64_t>(heads_) * channels_};
    const int seen = static_cast<int>(std::min<int64_t>(tokens, position + rows - from));
    for (int at = 0; at < seen; at += kExpandTokens) {
      p.token_begin = from + at;
      p.tokens = std::min(kExpandTokens, seen - at);
      Expand(head, at, p.tokens, kv);
      kernels::MlaPrompt(p, ctx_.isa);
    }
    if (last || position + rows <= from + tokens) kernels::MlaPromptFinish(p);
  }

  const StepContext& ctx_;
  const AttentionWeights& w_;
  const kernels::MlaCacheShape shape_;
  const int layer_, begin_, rows_, heads_, nope_, width_, channels_;
  const int64_t cached_, stride_;
  const float* const q_;
  float* const out_;
  int parts_ = 1;
  float* latents_ = nullptr;  // [kSharedTokens, cached_]
  float* state_ = nullptr;    // [heads_][max, sum][rows in whole blocks]
  float* tasks_ = nullptr;    // [threads][queries, keys and values]
  int64_t state_floats_ = 0, query_floats_ = 0, task_floats_ = 0;
};

}  // namespace

void AttendPrompt(const StepContext& ctx, int layer, const AttentionWeights& w, const RowRun& run,
                  const float* q, float* out) {
  Prompt(ctx, layer, w, run, q, out).Run();
}

}  // namespace conclave
