// The next token from logits. A pure function of (logits, parameters, position): the generator is
// counter-based (Philox4x32-10, Salmon et al. 2011), keyed by (seed, choice, position), so a retry
// or a move to another worker draws the same numbers.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "common/base/status.h"
#include "common/model/tokenizer.h"

namespace conclave {

struct SamplingParams {
  float temperature = 1;  // 0 = greedy
  float top_p = 1;        // (0, 1]
  uint64_t seed = 0;
  uint32_t choice = 0;   // index of the choice within its request
  int top_logprobs = 0;  // alternatives to report, 0..20
};

// InvalidArgument naming the parameter, its value and the allowed range.
absl::Status ValidateSampling(const SamplingParams& params);

struct SampledToken {
  TokenId id = 0;
  float logprob = 0;                           // natural log, of the unmodified distribution
  std::vector<std::pair<TokenId, float>> top;  // best first, ties to the smaller id
};

// `logits` [vocab]; ids >= usable_vocab are never drawn and carry no probability. `position` is the
// position of the token being drawn. Greedy ties go to the smaller id. Internal when no logit is
// finite.
absl::StatusOr<SampledToken> Sample(std::span<const float> logits, int usable_vocab,
                                    const SamplingParams& params, int64_t position);

}  // namespace conclave
