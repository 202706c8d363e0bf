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
constexpr int kLeastRounds = 5;
constexpr double kLongestTurn = 0.6;  // seconds of one line in one round
// A line that is compared with the first one takes turns with it, this many in a round: what else
// the machine does changes within seconds.
constexpr int kPairs = 3;
constexpr size_t kLeastSteps = 3;  // of a decode line in a turn

int PagesOf(int tokens) { return (tokens + kPageTokens - 1) / kPageTokens; }

struct Quartiles {
  double median = 0;
  double spread = 0;  // of the middle half, over the median
};
Quartiles QuartilesOf(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return {values[n / 2], (values[3 * n / 4] - values[n / 4]) / values[n / 2]};
}

// One line: the same step again and again.
struct Workload {
  std::string what;
  int sequences = 1;
  int tokens = 1;  // of one sequence in one step
  int context = 0;
  std::vector<int32_t> pages;  // [sequences, pages of each]
  int pages_each = 0;
  double bytes_per_token = 0, macs_per_token = 0;
  // One value per turn.
  std::vector<double> rate, bandwidth_share, compute_share, against_first;

  bool prompt() const { return tokens > 1; }
};

class Bench {
 public:
  Bench(const EngineBenchRequest& request, std::shared_ptr<const Model> model, ThreadPool& pool,
        KvCache& cache)
      : request_(request),
        model_(std::move(model)),
        experts_(model_, pool),
        forward_(model_, cache, pool, experts_) {}

  // The lines of a request, with pages of their own.
  static std::vector<Workload> Workloads(const EngineBenchRequest& r) {
    std::vector<Workload> all;
    int next_page = 0;
    const auto add = [&](std::string what, int sequences, int tokens, int context) {
      Workload w{
          .what = std::move(what), .sequences = sequences, .tokens = tokens, .context = context};
      w.pages_each = PagesOf(tokens > 1 ? tokens : context + kDecodeTokens);
      w.pages.resize(static_cast<size_t>(sequences) * w.pages_each);
      std::iota(w.pages.begin(), w.pages.end(), next_page);
      next_page += static_cast<int>(w.pages.size());
      all.push_back(std::move(w));
    };
    for (int context : r.contexts)
      add(fmt::format("decode, batch 1, context {}", context), 1, 1, context);
    for (int batch : r.batches) add(fmt::format("decode, batch {}, context 0", batch), batch, 1, 0);
    if (r.prefill_tokens > 0) {
      add(fmt::format("prefill {}, all logits", r.prefill_tokens), 1, std::max(r.prefill_tokens, 2),
          0);
    }
    return all;
  }

  // Runs all lines in turns, each right after the limits were measured.
  absl::Status Run(LimitMeter& meter, std::vector<Workload>* all,
                   std::vector<MachineLimits>* limits) {
    const ModelCost cost = ModelCost::Of(*model_);
    for (Workload& w : *all) {
      const int rows = w.sequences * w.tokens;
      w.bytes_per_token = cost.BytesPerRow(rows, w.context);
      // A causal triangle: on the average half of a prompt's tokens are seen.
      w.macs_per_token =
          cost.linear_macs + cost.attention_macs * (w.prompt() ? (w.tokens + 1) / 2.0 : w.context);
      RETURN_IF_ERROR(Fill(w));
    }
    const SteadyTime start = Now();
    const double seconds = request_.seconds * static_cast<double>(all->size());
    for (int round = 0; round < kLeastRounds || SecondsSince(start) < seconds; ++round) {
      if (request_.progress) request_.progress(fmt::format("round {}", round + 1));
      for (Workload& w : *all) {
        const MachineLimits now = meter.Measure();
        limits->push_back(now);
        const bool compared = &w != &all->front() && !w.prompt();
        const int turns = compared ? kPairs : 1;
        const double turn = std::min(kLongestTurn, request_.seconds / kLeastRounds) / turns;
        for (int i = 0; i < turns; ++i) {
          if (compared) RETURN_IF_ERROR(Turn(all->front(), turn, now, all->front()));
          RETURN_IF_ERROR(Turn(w, turn, now, all->front()));
        }
      }
    }
    return absl::OkStatus();
  }

 private:
  // Tokens without a pattern that routing could follow.
  std::vector<TokenId> Tokens(int count) {
    std::vector<TokenId> tokens(count);
    for (TokenId& token : tokens) {
      random_ = random_ * 6364136223846793005u + 1442695040888963407u;
      token = static_cast<TokenId>((random_ >> 33) % model_->config().vocab_size);
    }
    return tokens;
  }

  // Computes the context of a decode line.
  absl::Status Fill(const Workload& w) {
    for (int start = 0; start < w.context; start += kFillChunk) {
      const std::vector<TokenId> tokens = Tokens(std::min(kFillChunk, w.context - start));
      const SequenceChunk chunk{
          .tokens = tokens, .start = start, .pages = w.pages, .want_logits = false};
      RETURN_IF_ERROR(forward_.Step({&chunk, 1}, {}).status());
    }
    return absl::OkStatus();
  }

  absl::Status Step(const Workload& w, int step) {
    const std::vector<TokenId> tokens = Tokens(w.sequences * w.tokens);
    std::vector<SequenceChunk> chunks;
    for (int s = 0; s < w.sequences; ++s) {
      chunks.push_back({.tokens = std::span(tokens).subspan(s * w.tokens, w.tokens),
                        .start = w.prompt() ? 0 : w.context + step % kDecodeTokens,
                        .pages = std::span(w.pages).subspan(s * w.pages_each, w.pages_each),
                        .kind = w.prompt() ? RowKind::kPrompt : RowKind::kGenerated,
                        .all_logits = true});
    }
    ASSIGN_OR_RETURN(StepResult result, forward_.Step(chunks, {}));
    forward_.Recycle(std::move(result));
    return absl::OkStatus();
  }

  absl::Status Turn(Workload& w, double seconds, const MachineLimits& now, const Workload& first) {
    ASSIGN_OR_RETURN(const double rate, Rate(w, seconds));
    w.rate.push_back(rate);
    w.bandwidth_share.push_back(rate * w.bytes_per_token / now.read_bytes_per_s);
    w.compute_share.push_back(rate * w.macs_per_token / now.MacsPerSecond(request_.mode));
    w.against_first.push_back(rate / first.rate.back());
    return absl::OkStatus();
  }

  // Tokens per second of one turn: by the median step, after one that warms up.
  absl::StatusOr<double> Rate(const Workload& w, double turn) {
    RETURN_IF_ERROR(Step(w, 0));
    std::vector<double> seconds;
    const SteadyTime start = Now();
    const size_t least = w.prompt() ? 1 : kLeastSteps;
    for (int i = 1; seconds.size() < least || SecondsSince(start) < turn; ++i) {
      const SteadyTime begin = Now();
      RETURN_IF_ERROR(Step(w, i));
      seconds.push_back(SecondsSince(begin));
    }
    return w.sequences * w.tokens / QuartilesOf(seconds).median;
  }

  const EngineBenchRequest& request_;
  const std::shared_ptr<const Model> model_;
  LocalExperts experts_;
  Forward forward_;
  uint64_t random_ = 42;
};

absl::Status Validate(const EngineBenchRequest& r, const ModelConfig& c) {
  int longest = r.prefill_tokens;
  for (int context : r.contexts) longest = std::max(longest, context + kDecodeTokens);
  if (r.threads < 1 || r.prefill_tokens < 0 || r.contexts.empty() ||
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

// The median of one limit, and its spread.
Quartiles LimitOf(const std::vector<MachineLimits>& all, double MachineLimits::*limit) {
  std::vector<double> values;
  for (const MachineLimits& limits : all) values.push_back(limits.*limit);
  return QuartilesOf(std::move(values));
}

}  // namespace

absl::StatusOr<EngineBenchReport> BenchEngine(const EngineBenchRequest& r) {
  const auto progress = [&](const std::string& what) {
    if (r.progress) r.progress(what);
  };
  progress("loading");
  const LoadOptions load{
      .mode = r.mode, .mtp = false, .threads = r.threads, .progress = r.load_progress};
  ASSIGN_OR_RETURN(const auto model,
                   r.shape.empty() ? Model::Load(r.dir, load) : RandomModel(r.shape, load));
  RETURN_IF_ERROR(Validate(r, model->config()));
  ThreadPool pool(r.threads);
  std::vector<Workload> workloads = Bench::Workloads(r);
  const int pages = workloads.back().pages.back() + 1;
  ASSIGN_OR_RETURN(const auto cache, KvCache::Create(model->config(), r.mode, pages));
  ASSIGN_OR_RETURN(LimitMeter meter, LimitMeter::Create(pool));
  Bench bench(r, model, pool, *cache);
  std::vector<MachineLimits> limits;
  RETURN_IF_ERROR(bench.Run(meter, &workloads, &limits));

  EngineBenchReport report{.isa = std::string(kernels::IsaName(kernels::BestIsa())),
                           .rounds = static_cast<int>(limits.size() / workloads.size()),
                           .load_seconds = model->load_seconds(),
                           .resident_bytes = model->resident_bytes()};
  report.limits = {LimitOf(limits, &MachineLimits::read_bytes_per_s).median,
                   LimitOf(limits, &MachineLimits::float_macs_per_s).median,
                   LimitOf(limits, &MachineLimits::bf16_dot_macs_per_s).median,
                   LimitOf(limits, &MachineLimits::int16_dot_macs_per_s).median,
                   LimitOf(limits, &MachineLimits::int8_dot_macs_per_s).median};
  report.limits_spread = LimitOf(limits, &MachineLimits::read_bytes_per_s).spread;
  for (const Workload& w : workloads) {
    const Quartiles rate = QuartilesOf(w.rate);
    report.lines.push_back({.what = w.what,
                            .tokens_per_s = rate.median,
                            .bytes_per_token = w.bytes_per_token,
                            .macs_per_token = w.macs_per_token,
                            .bandwidth_share = QuartilesOf(w.bandwidth_share).median,
                            .compute_share = QuartilesOf(w.compute_share).median,
                            .against_first = QuartilesOf(w.against_first).median,
                            .spread = rate.spread});
  }
  return report;
}

}  // namespace conclave
