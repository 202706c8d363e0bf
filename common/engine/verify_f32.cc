#include <algorithm>
#include <cmath>

#include "common/engine/verify_run.h"

namespace conclave {
namespace {

// A kind's worst value over all its tensors; absolute + relative * |reference|.
class Deviation {
 public:
  Deviation(std::string kind, double absolute, double relative)
      : absolute_(absolute), relative_(relative) {
    line_.kind = std::move(kind);
    line_.rule = relative > 0 ? fmt::format("{:.0e} + {:.0e} |ref|", absolute, relative)
                              : fmt::format("{:.0e}", absolute);
  }

  void Add(const std::string& name, std::span<const float> ours, std::span<const float> reference) {
    line_.compared += static_cast<int64_t>(reference.size());
    if (ours.size() != reference.size()) {
      line_.used = line_.deviation = INFINITY;
      line_.worst = fmt::format("{}: {} values against {}", name, ours.size(), reference.size());
      return;
    }
    for (size_t i = 0; i < reference.size(); ++i) {
      const double d = std::abs(static_cast<double>(ours[i]) - reference[i]);
      const double used = d / (absolute_ + relative_ * std::abs(reference[i]));
      if (!(d <= line_.deviation)) line_.deviation = std::isnan(d) ? INFINITY : d;
      if (used <= line_.used) continue;
      line_.used = std::isnan(used) ? INFINITY : used;
      line_.worst = fmt::format("{}[{}]", name, i);
    }
  }
  const VerifyLine& line() const { return line_; }

 private:
  VerifyLine line_;
  double absolute_, relative_;
};

// Equality of integers.
class Mismatches {
 public:
  explicit Mismatches(std::string kind) {
    line_.kind = std::move(kind);
    line_.rule = "mismatches: 0";
  }
  template <typename T>
  void Add(const std::string& name, std::span<const T> ours, std::span<const int64_t> reference) {
    line_.compared += static_cast<int64_t>(reference.size());
    for (size_t i = 0; i < reference.size(); ++i) {
      if (i < ours.size() && ours[i] == reference[i]) continue;
      if (line_.deviation++ == 0) line_.worst = fmt::format("{}[{}]", name, i);
    }
    line_.used = line_.deviation == 0 ? 0 : 1 + line_.deviation;
  }
  const VerifyLine& line() const { return line_; }

 private:
  VerifyLine line_;
};

Deviation Close(std::string kind) { return Deviation(std::move(kind), 2e-4, 2e-5); }

struct RouterLines {
  Deviation logits;
  Mismatches index;
  Deviation weight;
  RouterLines(const std::string& prefix, double scaling)
      : logits(Close(prefix + "router logits")),
        index(prefix + "router topk_idx"),
        weight(prefix + "router topk_weight", 2e-5 * scaling, 0) {}

  absl::Status Add(const Golden& golden, const std::string& name, const ForwardTrace& trace,
                   int slot, int64_t rows, const ModelConfig& c) {
    ASSIGN_OR_RETURN(const auto l, golden.Floats(name + ".logits", {rows, c.num_routed_experts}));
    ASSIGN_OR_RETURN(const auto i,
                     golden.Integers(name + ".topk_idx", {rows, c.num_experts_per_token}));
    ASSIGN_OR_RETURN(const auto w,
                     golden.Floats(name + ".topk_weight", {rows, c.num_experts_per_token}));
    logits.Add(name, trace.router_logits[slot], l);
    index.Add<int32_t>(name, trace.topk_idx[slot], i);
    weight.Add(name, trace.topk_weight[slot], w);
    return absl::OkStatus();
  }
  void AppendTo(VerifyReport* report) const {
    report->lines.insert(report->lines.end(), {logits.line(), index.line(), weight.line()});
  }
};

// The two parts of a cache entry: the latent and the rotary key, or keys and values.
struct KvLines {
  Deviation first, second;
  KvLines(const std::string& prefix, const ModelConfig& c)
      : first(Close(prefix + (c.IsMla() ? "kv c_kv" : "kv k"))),
        second(Close(prefix + (c.IsMla() ? "kv k_pe" : "kv v"))) {}

  absl::Status Add(const Golden& golden, const std::string& name, const std::vector<float>& ours,
                   int64_t rows, const ModelConfig& c) {
    const std::string first_name = name + (c.IsMla() ? ".c_kv" : ".k"),
                      second_name = name + (c.IsMla() ? ".k_pe" : ".v");
    const std::vector<int64_t> heads = {rows, c.num_kv_heads, c.head_dim};
    ASSIGN_OR_RETURN(
        const auto a,
        golden.Floats(first_name, c.IsMla() ? std::vector{rows, int64_t{c.kv_lora_rank}} : heads));
    ASSIGN_OR_RETURN(
        const auto b,
        golden.Floats(second_name,
                      c.IsMla() ? std::vector{rows, int64_t{c.qk_rope_head_dim}} : heads));
    const int64_t width = c.KvWidth(), split = static_cast<int64_t>(a.size()) / rows;
    std::vector<float> our_first, our_second;
    for (int64_t row = 0; row < rows; ++row) {
      const auto entry = ours.begin() + row * width;
      our_first.insert(our_first.end(), entry, entry + split);
      our_second.insert(our_second.end(), entry + split, entry + width);
    }
    first.Add(first_name, our_first, a);
    second.Add(second_name, our_second, b);
    return absl::OkStatus();
  }
  void AppendTo(VerifyReport* report) const {
    report->lines.insert(report->lines.end(), {first.line(), second.line()});
  }
};

absl::Status CompareGreedy(const VerifyRun& run, const Golden& golden, VerifyReport* report) {
  const int64_t vocab = run.model->config().vocab_size,
                count = static_cast<int64_t>(run.greedy.size());
  ASSIGN_OR_RETURN(const auto tokens, golden.Integers("greedy_tokens", {count}));
  ASSIGN_OR_RETURN(const auto logprobs, golden.Floats("greedy_logprobs", {count}));
  ASSIGN_OR_RETURN(const auto logits, golden.Floats("greedy_logits", {count, vocab}));
  std::vector<int64_t> our_tokens;
  std::vector<float> our_logprobs;
  for (int64_t i = 0; i < count; ++i) {
    const std::span<const float> row(&run.decoded.logits[i * vocab], vocab);
    const auto best = std::max_element(row.begin(), row.end());
    double sum = 0;
    for (float value : row) sum += std::exp(static_cast<double>(value) - *best);
    our_tokens.push_back(best - row.begin());
    our_logprobs.push_back(static_cast<float>(row[tokens[i]] - *best - std::log(sum)));
  }
  Mismatches token_line("greedy tokens");
  token_line.Add<int64_t>("greedy_tokens", our_tokens, tokens);
  Deviation logprob_line("greedy logprobs", 1e-4, 0), logit_line = Close("greedy logits");
  logprob_line.Add("greedy_logprobs", our_logprobs, logprobs);
  logit_line.Add("greedy_logits", run.decoded.logits, logits);
  report->lines.insert(report->lines.end(),
                       {token_line.line(), logprob_line.line(), logit_line.line()});
  return absl::OkStatus();
}

absl::Status CompareMtp(const VerifyRun& run, const Golden& golden, VerifyReport* report) {
  const ModelConfig& c = run.model->config();
  const int64_t rows = static_cast<int64_t>(run.prompt.size());
  const int layer = c.num_layers;
  ASSIGN_OR_RETURN(const auto logits, golden.Floats("mtp.logits", {rows, c.vocab_size}));
  ASSIGN_OR_RETURN(const auto joined, golden.Floats("mtp.eh_proj_out", {rows, c.hidden_size}));
  ASSIGN_OR_RETURN(const auto hidden, golden.Floats("mtp.hidden", {rows, c.hidden_size}));
  Deviation logit_line = Close("mtp logits"), hidden_line = Close("mtp hidden");
  KvLines kv("mtp ", c);
  logit_line.Add("mtp.logits", run.mtp.logits, logits);
  hidden_line.Add("mtp.eh_proj_out", run.mtp_trace.hidden[0], joined);
  hidden_line.Add("mtp.hidden", run.mtp_trace.hidden[1], hidden);
  RETURN_IF_ERROR(kv.Add(golden, fmt::format("mtp.kv.{}", layer), run.kv[layer], rows, c));
  RouterLines router("mtp ", c.routed_scaling_factor);
  RETURN_IF_ERROR(
      router.Add(golden, fmt::format("mtp.router.{}", layer), run.mtp_trace, 0, rows, c));
  report->lines.insert(report->lines.end(), {logit_line.line(), hidden_line.line()});
  kv.AppendTo(report);
  router.AppendTo(report);
  return absl::OkStatus();
}

}  // namespace

absl::Status CompareF32(const VerifyRun& run, const Golden& golden, VerifyReport* report) {
  const ModelConfig& c = run.model->config();
  const int64_t rows = static_cast<int64_t>(run.prompt.size());
  ASSIGN_OR_RETURN(const auto logits, golden.Floats("logits", {rows, c.vocab_size}));
  Deviation logit_line = Close("logits"), hidden_line = Close("hidden");
  KvLines kv("", c);
  logit_line.Add("logits", run.one_pass.logits, logits);
  for (int i = 0; i <= c.num_layers; ++i) {
    ASSIGN_OR_RETURN(const auto hidden,
                     golden.Floats(fmt::format("hidden.{}", i), {rows, c.hidden_size}));
    hidden_line.Add(fmt::format("hidden.{}", i), run.trace.hidden[i], hidden);
  }
  ASSIGN_OR_RETURN(const auto final_norm,
                   golden.Floats("hidden.final_norm", {rows, c.hidden_size}));
  hidden_line.Add("hidden.final_norm", run.trace.final_norm, final_norm);
  RouterLines router("", c.routed_scaling_factor);
  for (int layer = 0; layer < c.num_layers; ++layer) {
    RETURN_IF_ERROR(kv.Add(golden, fmt::format("kv.{}", layer), run.kv[layer], rows, c));
    if (!c.IsMoeLayer(layer)) continue;
    RETURN_IF_ERROR(router.Add(golden, fmt::format("router.{}", layer), run.trace, layer, rows, c));
  }
  report->lines.insert(report->lines.end(), {logit_line.line(), hidden_line.line()});
  kv.AppendTo(report);
  if (c.HasExperts()) router.AppendTo(report);
  RETURN_IF_ERROR(CompareGreedy(run, golden, report));
  return run.mtp.rows > 0 ? CompareMtp(run, golden, report) : absl::OkStatus();
}

}  // namespace conclave
