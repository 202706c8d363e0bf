#include "common/engine/sampler.h"

#include <algorithm>
#include <cmath>

#include "kernels/sampling/philox.h"

namespace conclave {
namespace {

struct Candidate {
  double weight;
  TokenId id;
};

// A total order, so that sorting and heaps give one result everywhere: heavier first, then smaller
// id.
bool Before(const Candidate& a, const Candidate& b) {
  return a.weight != b.weight ? a.weight > b.weight : a.id < b.id;
}

// Keeps the shortest prefix in that order whose weight reaches top_p of the total.
void KeepTopP(std::vector<Candidate>& candidates, double total, double top_p) {
  const auto after = [](const Candidate& a, const Candidate& b) { return Before(b, a); };
  std::make_heap(candidates.begin(), candidates.end(), after);
  std::vector<Candidate> kept;
  double sum = 0;
  auto end = candidates.end();
  while (end != candidates.begin()) {
    std::pop_heap(candidates.begin(), end, after);
    kept.push_back(*--end);
    sum += kept.back().weight;
    if (sum >= top_p * total) break;
  }
  candidates = std::move(kept);
}

TokenId Draw(std::span<const float> logits, int vocab, float max, const SamplingParams& params,
             int64_t position) {
  std::vector<Candidate> candidates;
  candidates.reserve(vocab);
  double total = 0;
  for (int id = 0; id < vocab; ++id) {
    if (!std::isfinite(logits[id])) continue;
    const double weight = std::exp((static_cast<double>(logits[id]) - max) / params.temperature);
    if (weight <= 0) continue;
    candidates.push_back({weight, id});
    total += weight;
  }
  if (params.top_p < 1) {
    KeepTopP(candidates, total, params.top_p);
    total = 0;
    for (const Candidate& c : candidates) total += c.weight;
  }
  const double target =
      kernels::PhiloxUniform(params.seed, static_cast<uint64_t>(position), params.choice) * total;
  double sum = 0;
  for (const Candidate& c : candidates) {
    sum += c.weight;
    if (target < sum) return c.id;
  }
  return candidates.back().id;  // rounding left the sum a hair below the total
}

}  // namespace

absl::Status ValidateSampling(const SamplingParams& p) {
  if (!(p.temperature >= 0) || p.temperature > 100) {
    return InvalidArgument("temperature is {}, must lie in [0, 100]; 0 is greedy", p.temperature);
  }
  if (!(p.top_p > 0) || p.top_p > 1)
    return InvalidArgument("top_p is {}, must lie in (0, 1]", p.top_p);
  if (p.top_logprobs < 0 || p.top_logprobs > 20) {
    return InvalidArgument("top_logprobs is {}, must lie in 0..20", p.top_logprobs);
  }
  return absl::OkStatus();
}

absl::StatusOr<SampledToken> Sample(std::span<const float> logits, int usable_vocab,
                                    const SamplingParams& params, int64_t position) {
  RETURN_IF_ERROR(ValidateSampling(params));
  if (usable_vocab < 1)
    return InvalidArgument("usable vocabulary of {} tokens, must be at least 1", usable_vocab);
  const int vocab = std::min<int>(usable_vocab, static_cast<int>(logits.size()));
  int best = -1;
  for (int id = 0; id < vocab; ++id) {
    if (std::isfinite(logits[id]) && (best < 0 || logits[id] > logits[best])) best = id;
  }
  if (best < 0) {
    return Internal(
        "no finite logit among {} at position {}: the model's weights or activations are not "
        "numbers",
        vocab, position);
  }
  const float max = logits[best];
  double total = 0;
  for (int id = 0; id < vocab; ++id) {
    if (std::isfinite(logits[id])) total += std::exp(static_cast<double>(logits[id]) - max);
  }
  const double log_total = std::log(total);
  const auto logprob = [&](TokenId id) {
    return static_cast<float>(static_cast<double>(logits[id]) - max - log_total);
  };

  SampledToken token;
  token.id = params.temperature == 0 ? best : Draw(logits, vocab, max, params, position);
  token.logprob = logprob(token.id);
  if (params.top_logprobs > 0) {
    std::vector<TokenId> ids;
    for (int id = 0; id < vocab; ++id)
      if (std::isfinite(logits[id])) ids.push_back(id);
    const size_t count = std::min<size_t>(params.top_logprobs, ids.size());
    std::partial_sort(ids.begin(), ids.begin() + count, ids.end(), [&](TokenId a, TokenId b) {
      return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
    });
    for (size_t i = 0; i < count; ++i) token.top.emplace_back(ids[i], logprob(ids[i]));
  }
  return token;
}

}  // namespace conclave
