#include <algorithm>
#include <cmath>

#include "common/engine/verify_run.h"

namespace conclave {
namespace {

int64_t ArgMax(std::span<const float> row) {
  return std::max_element(row.begin(), row.end()) - row.begin();
}

// Share of rows whose top token survives 8-bit operands, at the least. Measured in int8 over 40 to
// 80 prompt rows and 24 decoded ones of small random models: 0.83 to 1 without experts, 0.71 to
// 0.93 with them, where a rounding near a router's tie changes the rest of a row. Scales or codes
// that are wrong leave nearly no row its token (1 / 512 by chance).
constexpr double kSameToken = 0.75, kSameTokenExperts = 0.6;
// As advised for `w8a8.logits`, which rounds float32 operands: equal but for the order of sums
// (measured 0.0012). With operands rounded to bf16 first, as the mode does, some codes fall on the
// other side of a tie, and tip routers: that is as far from w8a8.logits as they are from `logits`.
constexpr double kW8A8Rms = 0.2, kW8A8RmsToLogits = 0.5;

// What an effect may be; by default lines only tell. A value that is not a number is always a miss.
struct EffectRule {
  double rms = INFINITY;
  double agreement = 0;  // share of rows with the same token on top
};

void AppendEffect(const std::string& what, std::span<const float> ours,
                  std::span<const float> reference, int64_t vocab, const EffectRule& rule,
                  VerifyReport* report) {
  const int64_t rows = static_cast<int64_t>(reference.size()) / vocab;
  double squares = 0, most = 0;
  int64_t worst = 0, agree = 0;
  for (size_t i = 0; i < reference.size(); ++i) {
    const double d = std::abs(static_cast<double>(ours[i]) - reference[i]);
    squares += d * d;
    if (d <= most) continue;
    most = d;
    worst = static_cast<int64_t>(i) / vocab;
  }
  for (int64_t row = 0; row < rows; ++row)
    agree +=
        ArgMax(ours.subspan(row * vocab, vocab)) == ArgMax(reference.subspan(row * vocab, vocab));
  const double rms = std::sqrt(squares / static_cast<double>(reference.size()));
  const double share = static_cast<double>(agree) / static_cast<double>(rows);
  const bool finite = std::isfinite(rms);
  const int64_t values = static_cast<int64_t>(reference.size());
  const bool bounded = std::isfinite(rule.rms), floored = rule.agreement > 0;
  report->lines.push_back({what + ", rms difference", values, rms,
                           bounded ? fmt::format("at most {}", rule.rms) : "measured",
                           !finite || rms > rule.rms ? INFINITY
                           : bounded && rms > 0      ? rms / rule.rms
                                                     : 0,
                           ""});
  report->lines.push_back({what + ", largest difference", values, most, "measured",
                           finite ? 0 : INFINITY, fmt::format("row {}", worst)});
  report->lines.push_back({what + ", same top token", rows, share,
                           floored ? fmt::format("at least {}", rule.agreement) : "measured",
                           !finite   ? INFINITY
                           : floored ? (1 - share) / (1 - rule.agreement)
                                     : 0,
                           ""});
}

// The same prompt and decoding computed in two ways.
void AppendEffects(const std::string& what, const VerifyRun& run, const VerifyRun& other,
                   const EffectRule& rule, VerifyReport* report) {
  const int64_t vocab = run.model->config().vocab_size;
  AppendEffect(what + ", prompt", run.one_pass.logits, other.one_pass.logits, vocab, rule, report);
  AppendEffect(what + ", decoding", run.decoded.logits, other.decoded.logits, vocab, rule, report);
}

}  // namespace

absl::Status MeasureKvFormat(const VerifyRequest& request, const VerifyRun& run,
                             const Golden& golden, VerifyReport* report) {
  VerifyRequest plain = request;
  plain.kv_format = KvFormat::kMode;
  ASSIGN_OR_RETURN(const VerifyRun other, RunForVerify(plain, golden));
  const int64_t vocab = run.model->config().vocab_size,
                rows = static_cast<int64_t>(run.prompt.size());
  ASSIGN_OR_RETURN(const auto logits, golden.Floats("logits", {rows, vocab}));
  const std::string format(KvFormatName(request.kv_format));
  AppendEffect(format + " KV against golden logits", run.one_pass.logits, logits, vocab, {},
               report);
  AppendEffects(format + " KV against auto KV", run, other, {}, report);
  return absl::OkStatus();
}

absl::Status MeasureMode(const VerifyRequest& request, const VerifyRun& run, const Golden& golden,
                         VerifyReport* report) {
  VerifyRequest plain = request;
  plain.mode = ComputeMode::kBF16;
  ASSIGN_OR_RETURN(const VerifyRun other, RunForVerify(plain, golden));
  const ModelConfig& c = run.model->config();
  const int64_t rows = static_cast<int64_t>(run.prompt.size());
  const std::string mode(ComputeModeName(request.mode));
  EffectRule rule{.agreement = c.HasExperts() ? kSameTokenExperts : kSameToken};
  if (request.mode == ComputeMode::kW8A8 && golden.Has("w8a8.logits")) {
    ASSIGN_OR_RETURN(const auto w8a8, golden.Floats("w8a8.logits", {rows, c.vocab_size}));
    plain.mode = ComputeMode::kF32;
    ASSIGN_OR_RETURN(const VerifyRun exact, RunForVerify(plain, golden, request.mode));
    AppendEffect("w8a8 of float32 operands against w8a8.logits", exact.one_pass.logits, w8a8,
                 c.vocab_size, {kW8A8Rms, rule.agreement}, report);
    rule.rms = kW8A8RmsToLogits;
    AppendEffect("w8a8 against golden w8a8.logits", run.one_pass.logits, w8a8, c.vocab_size, rule,
                 report);
  }
  ASSIGN_OR_RETURN(const auto logits, golden.Floats("logits", {rows, c.vocab_size}));
  AppendEffect(mode + " against golden logits", run.one_pass.logits, logits, c.vocab_size, rule,
               report);
  const bool changes = request.mode == ComputeMode::kInt8 || c.fp8_block > 0;
  rule.rms = changes ? INFINITY : 0;
  AppendEffects(mode + " against bf16", run, other, rule, report);
  return absl::OkStatus();
}

}  // namespace conclave
