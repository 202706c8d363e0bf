// What the engine computed for a golden case. Inside the engine only.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "common/engine/forward.h"
#include "common/engine/golden.h"
#include "common/engine/verify.h"

namespace conclave {

struct VerifyRun {
  std::shared_ptr<const Model> model;
  std::vector<TokenId> prompt;
  std::vector<TokenId> greedy;         // golden tokens: what is fed, step after step
  ForwardTrace trace;                  // one pass
  StepResult one_pass;                 // all rows
  StepResult in_chunks;                // all rows
  std::vector<std::vector<float>> kv;  // [layers][tokens, width], MTP layers last
  StepResult decoded;                  // [greedy tokens] rows, each from a step of one token
  ForwardTrace mtp_trace;
  StepResult mtp;  // all rows; empty without MTP
};

// `weights`: LoadOptions::weights.
absl::StatusOr<VerifyRun> RunForVerify(const VerifyRequest& request, const Golden& golden,
                                       std::optional<ComputeMode> weights = std::nullopt);

// Appends the lines of each mode.
absl::Status CompareF32(const VerifyRun& run, const Golden& golden, VerifyReport* report);
absl::Status CompareBf16(const VerifyRun& run, const Golden& golden, VerifyReport* report);
// What the KV format of `request` did to the logits: against the golden, and against the same run
// with the mode's own format.
absl::Status MeasureKvFormat(const VerifyRequest& request, const VerifyRun& run,
                             const Golden& golden, VerifyReport* report);
// What mode int8 or w8a8 did to the logits: against the golden, and against the same run in bf16.
absl::Status MeasureMode(const VerifyRequest& request, const VerifyRun& run, const Golden& golden,
                         VerifyReport* report);

}  // namespace conclave
