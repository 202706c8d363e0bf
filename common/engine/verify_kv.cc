#include <algorithm>
#include <cmath>

#include "common/engine/verify_run.h"

namespace conclave {
namespace {

int64_t ArgMax(std::span<const float> row) {
  return std::max_element(row.begin(), row.end()) - row.begin();
}

// Lines that only tell: nothing is right or wrong about them, unless a value is not a number.
void AppendEffect(const std::string& what, std::span<const float> ours,
                  std::span<const float> reference, int64_t vocab, VerifyReport* report) {
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
  const double used = std::isfinite(rms) ? 0 : INFINITY;
  const int64_t values = static_cast<int64_t>(reference.size());
  report->lines.push_back({what + ", rms difference", values, rms, "measured", used, ""});
  report->lines.push_back({what + ", largest difference", values, most, "measured", used,
                           fmt::format("row {}", worst)});
  report->lines.push_back({what + ", same top token", rows,
                           static_cast<double>(agree) / static_cast<double>(rows), "measured", used,
                           ""});
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
  AppendEffect("fp8 KV against golden logits", run.one_pass.logits, logits, vocab, report);
  AppendEffect(fmt::format("fp8 KV against {} KV, prompt", ComputeModeName(request.mode)),
               run.one_pass.logits, other.one_pass.logits, vocab, report);
  AppendEffect(fmt::format("fp8 KV against {} KV, decoding", ComputeModeName(request.mode)),
               run.decoded.logits, other.decoded.logits, vocab, report);
  return absl::OkStatus();
}

}  // namespace conclave
