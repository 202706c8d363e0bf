#include "common/engine_bench/engine_bench.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "common/base/clock.h"
#include "common/engine/forward.h"
#include "common/engine/local_experts.h"
#include "common/engine_bench/bench_shapes.h"
#include "common/engine_bench/model_cost.h"
#include "kernels/base/cpu_features.h"

namespace conclave {
namespace {

constexpr int kDecodeTokens = 64;  // positions that a decoding sequence goes through
constexpr int kFillChunk = 512;
constexpr int kWarmUpSteps = 2;

struct Timing {
  double seconds = 0;  // median of a step
  double spread = 0;
};

class Bench {
 public:
  Bench(const EngineBenchRequest& request, std::shared_ptr<const Model> model, ThreadPool& pool,
        KvCache& cache)
      : request_(request),
        model_(std::move(model)),
        experts_(model_, pool),
        forward_(model_, cache, pool, experts_),
        cost_(ModelCost::Of(*model_)) {}

  // Runs every measurement; shares are filled in later, when the limits are known.
  absl::StatusOr<std::vector<EngineBenchLine>> Run() {
    std::vector<EngineBenchLine> lines;
    for (int context : request_.contexts) {
      ASSIGN_OR_RETURN(EngineBenchLine line, Decode(1, context));
      lines.push_back(std::move(line));
    }
    for (int batch : request_.batches) {
      ASSIGN_OR_RETURN(EngineBenchLine line, Decode(batch, 0));
      lines.push_back(std::move(line));
    }
    ASSIGN_OR_RETURN(EngineBenchLine line, Prefill());
    lines.push_back(std::move(line));
    return lines;
  }

  // Pages that the longest measurement needs.
  static int Pages(const EngineBenchRequest& r) {
    int pages = PagesOf(r.prefill_tokens);
    for (int context : r.contexts) pages = std::max(pages, PagesOf(context + kDecodeTokens));
    for (int batch : r.batches) pages = std::max(pages, batch * PagesOf(kDecodeTokens));
    return pages;
  }

 private:
  static int PagesOf(int tokens) { return (tokens + kPageTokens - 1) / kPageTokens; }

  void Progress(const std::string& what) const {
    if (request_.progress) request_.progress(what);
  }

  // Tokens without a pattern that routing could follow.
  std::vector<TokenId> Tokens(int count) {
    std::vector<TokenId> tokens(count);
    for (TokenId& token : tokens) {
      random_ = random_ * 6364136223846793005u + 1442695040888963407u;
      token = static_cast<TokenId>((random_ >> 33) % model_->config().vocab_size);
    }
    return tokens;
  }

  template <class F>
  absl::StatusOr<Timing> Measure(const F& step) {
    std::vector<double> seconds;
    const SteadyTime start = Now();
    for (int i = 0; i < kWarmUpSteps + 3 || SecondsSince(start) < request_.seconds; ++i) {
      const SteadyTime begin = Now();
      RETURN_IF_ERROR(step(i));
      if (i >= kWarmUpSteps) seconds.push_back(SecondsSince(begin));
    }
    std::sort(seconds.begin(), seconds.end());
    const size_t n = seconds.size();
    return Timing{seconds[n / 2], (seconds[3 * n / 4] - seconds[n / 4]) / seconds[n / 2]};
  }

  absl::StatusOr<EngineBenchLine> Decode(int batch, int context) {
    const std::string what = fmt::format("decode, batch {}, context {}", batch, context);
    Progress(what);
    const int pages_each = PagesOf(context + kDecodeTokens);
    std::vector<int32_t> pages(static_cast<size_t>(batch) * pages_each);
    std::iota(pages.begin(), pages.end(), 0);
    for (int start = 0; start < context; start += kFillChunk) {
      const std::vector<TokenId> tokens = Tokens(std::min(kFillChunk, context - start));
      const SequenceChunk chunk{
          .tokens = tokens, .start = start, .pages = pages, .want_logits = false};
      RETURN_IF_ERROR(forward_.Step({&chunk, 1}, {}).status());
    }
    const auto step = [&](int i) -> absl::Status {
      const std::vector<TokenId> tokens = Tokens(batch);
      std::vector<SequenceChunk> chunks;
      for (int s = 0; s < batch; ++s) {
        chunks.push_back({.tokens = std::span(tokens).subspan(s, 1),
                          .start = context + i % kDecodeTokens,
                          .pages = std::span(pages).subspan(s * pages_each, pages_each),
                          .kind = RowKind::kGenerated});
      }
      return forward_.Step(chunks, {}).status();
    };
    ASSIGN_OR_RETURN(const Timing timing, Measure(step));
    EngineBenchLine line{.what = what,
                         .tokens_per_s = batch / timing.seconds,
                         .spread = timing.spread,
                         .bytes_per_token = cost_.BytesPerRow(batch, context),
                         .macs_per_token = cost_.linear_macs + cost_.attention_macs * context};
    return line;
  }

  absl::StatusOr<EngineBenchLine> Prefill() {
    const int count = request_.prefill_tokens;
    const std::string what = fmt::format("prefill {}, all logits", count);
    Progress(what);
    std::vector<int32_t> pages(PagesOf(count));
    std::iota(pages.begin(), pages.end(), 0);
    const auto step = [&](int) -> absl::Status {
      const std::vector<TokenId> tokens = Tokens(count);
      const SequenceChunk chunk{.tokens = tokens, .pages = pages, .all_logits = true};
      return forward_.Step({&chunk, 1}, {}).status();
    };
    ASSIGN_OR_RETURN(const Timing timing, Measure(step));
    return EngineBenchLine{
        .what = what,
        .tokens_per_s = count / timing.seconds,
        .spread = timing.spread,
        .bytes_per_token = cost_.BytesPerRow(count, 0),
        // A causal triangle: on the average half of the tokens are seen.
        .macs_per_token = cost_.linear_macs + cost_.attention_macs * (count + 1) / 2.0};
  }

  const EngineBenchRequest& request_;
  const std::shared_ptr<const Model> model_;
  LocalExperts experts_;
  Forward forward_;
  const ModelCost cost_;
  uint64_t random_ = 42;
};

absl::Status Validate(const EngineBenchRequest& r, const ModelConfig& c) {
  int longest = r.prefill_tokens;
  for (int context : r.contexts) longest = std::max(longest, context + kDecodeTokens);
  if (r.threads < 1 || r.prefill_tokens < 1 || r.contexts.empty() ||
      longest > c.max_position_embeddings) {
    return InvalidArgument(
        "bench with {} threads, {} contexts and up to {} tokens; the model holds {} tokens",
        r.threads, r.contexts.size(), longest, c.max_position_embeddings);
  }
  for (int batch : r.batches) {
    if (batch < 1 || batch > 1024)
      return InvalidArgument("bench with a batch of {}, must lie in 1..1024", batch);
  }
  return absl::OkStatus();
}

double Drift(double before, double after) {
  return before + after > 0 ? std::abs(before - after) / (before + after) * 2 : 0;
}

}  // namespace

absl::StatusOr<EngineBenchReport> BenchEngine(const EngineBenchRequest& r) {
  const auto progress = [&](const std::string& what) {
    if (r.progress) r.progress(what);
  };
  progress("loading");
  const LoadOptions load{.mode = r.mode, .mtp = false, .progress = r.load_progress};
  ASSIGN_OR_RETURN(const auto model,
                   r.shape.empty() ? Model::Load(r.dir, load) : RandomModel(r.shape, load));
  RETURN_IF_ERROR(Validate(r, model->config()));
  ThreadPool pool(r.threads);
  ASSIGN_OR_RETURN(const auto cache, KvCache::Create(model->config(), r.mode, Bench::Pages(r)));
  EngineBenchReport report{.isa = std::string(kernels::IsaName(kernels::BestIsa())),
                           .load_seconds = model->load_seconds(),
                           .resident_bytes = model->resident_bytes()};
  progress("limits");
  ASSIGN_OR_RETURN(const MachineLimits before, MeasureLimits(pool, r.seconds));
  Bench bench(r, model, pool, *cache);
  ASSIGN_OR_RETURN(report.lines, bench.Run());
  progress("limits");
  ASSIGN_OR_RETURN(const MachineLimits after, MeasureLimits(pool, r.seconds));
  report.limits = {(before.read_bytes_per_s + after.read_bytes_per_s) / 2,
                   (before.float_macs_per_s + after.float_macs_per_s) / 2,
                   (before.bf16_dot_macs_per_s + after.bf16_dot_macs_per_s) / 2,
                   (before.int8_dot_macs_per_s + after.int8_dot_macs_per_s) / 2};
  report.limits_drift = std::max(Drift(before.read_bytes_per_s, after.read_bytes_per_s),
                                 Drift(before.MacsPerSecond(r.mode), after.MacsPerSecond(r.mode)));
  for (EngineBenchLine& line : report.lines) {
    line.bandwidth_share =
        line.tokens_per_s * line.bytes_per_token / report.limits.read_bytes_per_s;
    line.compute_share =
        line.tokens_per_s * line.macs_per_token / report.limits.MacsPerSecond(r.mode);
    line.against_first = line.tokens_per_s / report.lines[0].tokens_per_s;
  }
  return report;
}

}  // namespace conclave
