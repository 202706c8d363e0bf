#include <algorithm>
#include <cmath>

#include "common/engine/verify_run.h"

namespace conclave {
namespace {

// In bf16 a router near a tie takes another expert, and that row is then far off by right: rows are
// judged one by one, and only those that went to the golden's experts in every layer.
struct RowRule {
  double median = 0.35;
  double most = 0.7;        // for nine rows of ten; without experts 0.4 for every row
  double agreement = 0.85;  // same token on top, over all rows
  double flips = 0.25;      // rows that took another expert somewhere
};
constexpr double kDenseRow = 0.4;

int64_t ArgMax(std::span<const float> row) {
  return std::max_element(row.begin(), row.end()) - row.begin();
}

absl::Status MarkFlips(const Golden& golden, const std::string& name, std::span<const int32_t> ours,
                       int64_t rows, int k, std::vector<char>* flipped) {
  ASSIGN_OR_RETURN(const auto reference, golden.Integers(name + ".topk_idx", {rows, k}));
  for (int64_t i = 0; i < rows * k; ++i)
    if (ours[i] != reference[i]) (*flipped)[i / k] = 1;
  return absl::OkStatus();
}

void CompareRows(const std::string& kind, std::span<const float> ours,
                 std::span<const float> reference, int64_t vocab, bool experts,
                 const std::vector<char>& flipped, VerifyReport* report) {
  const RowRule rule;
  const int64_t rows = static_cast<int64_t>(flipped.size());
  std::vector<double> largest;
  int64_t agree = 0, flips = 0, bad = 0;
  std::string worst;
  for (int64_t row = 0; row < rows; ++row) {
    const auto a = ours.subspan(row * vocab, vocab), b = reference.subspan(row * vocab, vocab);
    agree += ArgMax(a) == ArgMax(b);
    if (flipped[row]) {
      ++flips;
      continue;
    }
    double most = 0;
    for (int64_t i = 0; i < vocab; ++i) {
      const double d = std::abs(static_cast<double>(a[i]) - b[i]);
      most = d <= most ? most : std::isnan(d) ? INFINITY : d;
    }
    if (largest.empty() || most > *std::max_element(largest.begin(), largest.end()))
      worst = fmt::format("row {}", row);
    largest.push_back(most);
    bad += most > rule.most;
  }
  std::sort(largest.begin(), largest.end());
  const int64_t kept = static_cast<int64_t>(largest.size());
  const double median = kept > 0 ? largest[kept / 2] : INFINITY;
  const double agreement = static_cast<double>(agree) / rows;
  const double bad_share = kept > 0 ? static_cast<double>(bad) / kept : 1,
               flip_share = static_cast<double>(flips) / rows;
  const double last = kept > 0 ? largest.back() : INFINITY;
  report->lines.push_back({kind + ", median row", kept, median, fmt::format("{}", rule.median),
                           median / rule.median, worst});
  if (experts) {
    report->lines.push_back({kind + ", largest row", kept, last,
                             fmt::format("{} in 90% of rows", rule.most), bad_share / 0.1, worst});
  } else {
    report->lines.push_back({kind + ", largest row", kept, last,
                             fmt::format("{} in every row", kDenseRow), last / kDenseRow, worst});
  }
  report->lines.push_back({kind + ", same top token", rows, agreement,
                           fmt::format("at least {}", rule.agreement),
                           (1 - agreement) / (1 - rule.agreement), ""});
  if (!experts) return;
  report->lines.push_back({kind + ", rows with other experts", rows, flip_share,
                           fmt::format("at most {}", rule.flips), flip_share / rule.flips, ""});
}

}  // namespace

absl::Status CompareBf16(const VerifyRun& run, const Golden& golden, VerifyReport* report) {
  const ModelConfig& c = run.model->config();
  const int64_t rows = static_cast<int64_t>(run.prompt.size());
  const int k = c.num_experts_per_token;
  std::vector<char> flipped(rows, 0);
  for (int layer = c.first_k_dense_replace; layer < c.num_layers; ++layer) {
    RETURN_IF_ERROR(MarkFlips(golden, fmt::format("router.{}", layer), run.trace.topk_idx[layer],
                              rows, k, &flipped));
  }
  ASSIGN_OR_RETURN(const auto logits, golden.Floats("logits", {rows, c.vocab_size}));
  CompareRows("logits", run.one_pass.logits, logits, c.vocab_size, c.HasExperts(), flipped, report);

  const int64_t steps = static_cast<int64_t>(run.greedy.size());
  int64_t agree = 0;
  for (int64_t i = 0; i < steps; ++i) {
    agree += ArgMax(std::span(run.decoded.logits).subspan(i * c.vocab_size, c.vocab_size)) ==
             run.greedy[i];
  }
  const double share = static_cast<double>(agree) / steps;
  report->lines.push_back(
      {"greedy tokens, same", steps, share, "at least 0.75", (1 - share) / 0.25, ""});

  if (run.mtp.rows == 0) return absl::OkStatus();
  RETURN_IF_ERROR(MarkFlips(golden, fmt::format("mtp.router.{}", c.num_layers),
                            run.mtp_trace.topk_idx[0], rows, k, &flipped));
  ASSIGN_OR_RETURN(const auto mtp, golden.Floats("mtp.logits", {rows, c.vocab_size}));
  CompareRows("mtp logits", run.mtp.logits, mtp, c.vocab_size, c.HasExperts(), flipped, report);
  return absl::OkStatus();
}

}  // namespace conclave
