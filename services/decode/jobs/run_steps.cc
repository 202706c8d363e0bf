#include "services/decode/jobs/run_steps.h"

#include <algorithm>
#include <map>

#include "common/base/log.h"
#include "common/scheduling/continuous_batch.h"

namespace conclave {

RunSteps::RunSteps(DecodeState& state, Forward& forward, const Model& model, int usable_vocab,
                   const StepLimits& limits, DecodeMetrics& metrics)
    : state_(state),
      forward_(forward),
      config_(model.config()),
      usable_vocab_(usable_vocab),
      limits_(limits),
      metrics_(metrics),
      thread_([this] { Loop(); }) {}

RunSteps::~RunSteps() { thread_.join(); }

bool RunSteps::Emit(Sequence& sequence, const SampledToken& token, absl::Status* status) const {
  const SequenceSpec& spec = sequence.spec;
  const int generated = ++sequence.generated;
  sequence.last_token = token.id;
  SequenceEnd end = SequenceEnd::kNone;
  const auto& eos = config_.eos_token_ids;
  if (!spec.ignore_eos && std::find(eos.begin(), eos.end(), token.id) != eos.end()) {
    end = SequenceEnd::kStop;
  } else if (generated >= spec.max_tokens) {
    end = SequenceEnd::kLength;
  }
  metrics_.tokens.Add();
  *status = sequence.sink->Write(token, end);
  return status->ok() && end == SequenceEnd::kNone;
}

void RunSteps::Loop() {
  std::vector<SequencePtr> running;
  while (state_.WaitForWork(&running)) {
    std::vector<SequencePtr> alive;
    for (SequencePtr& sequence : running) {
      if (const absl::Status status = sequence->Alive(); status.ok()) {
        alive.push_back(std::move(sequence));
      } else {
        state_.End(sequence, status);
      }
    }
    running = std::move(alive);
    if (!running.empty()) Step(running);
  }
}

void RunSteps::Step(std::vector<SequencePtr>& running) {
  std::vector<uint64_t> ids(running.size());
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = i;
  const StepPlan plan = PlanStep(ids, {},
                                 {.max_rows = limits_.max_running,
                                  .max_sequences = limits_.max_running,
                                  .max_chunk_tokens = 1});

  std::vector<SequenceChunk> chunks;
  for (uint64_t i : plan.decode) {
    const Sequence& sequence = *running[i];
    chunks.push_back({.tokens = std::span<const TokenId>(&sequence.last_token, 1),
                      .start = sequence.LastPosition(),
                      .pages = sequence.pages,
                      .kind = RowKind::kGenerated});
  }
  const SteadyTime started = Now();
  auto result = forward_.Step(chunks, {.deadline = After(limits_.step_timeout)});
  metrics_.step_seconds.Observe(SecondsSince(started));
  if (!result.ok()) {
    LogError("step failed", {{"sequences", plan.decode.size()}, {"why", Message(result.status())}});
  }

  // Planned sequences go behind those that had no room, so that all get their turn.
  std::vector<SequencePtr> next(running.begin() + static_cast<ptrdiff_t>(plan.decode.size()),
                                running.end());
  for (size_t row = 0; row < plan.decode.size(); ++row) {
    const SequencePtr& sequence = running[plan.decode[row]];
    absl::Status status = result.status();
    if (status.ok()) {
      const auto token = Draw(*sequence, *result, row);
      if (token.ok()) {
        if (Emit(*sequence, *token, &status)) {
          next.push_back(sequence);
          continue;
        }
      } else {
        status = token.status();
      }
    } else if (status.code() == absl::StatusCode::kDeadlineExceeded) {
      status = Unavailable("a step took longer than {} ms: {}", limits_.step_timeout.count(),
                           Message(status));
    }
    state_.End(sequence, status);
  }
  running = std::move(next);
  if (result.ok()) forward_.Recycle(*std::move(result));
}

absl::StatusOr<SampledToken> RunSteps::Draw(const Sequence& sequence, const StepResult& result,
                                            size_t row) const {
  const size_t vocab = static_cast<size_t>(config_.vocab_size);
  const std::span<const float> logits(result.logits.data() + row * vocab, vocab);
  return Sample(logits, usable_vocab_, sequence.spec.sampling, sequence.LastPosition() + 1);
}

}  // namespace conclave
