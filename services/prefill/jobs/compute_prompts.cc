#include "services/prefill/jobs/compute_prompts.h"

#include <algorithm>

#include "common/base/log.h"
#include "common/scheduling/continuous_batch.h"

namespace conclave {
namespace {

// A peer that takes longer than this for what was computed already is lost.
constexpr std::chrono::milliseconds kPushTimeout{10000};
constexpr int kMaxPromptsPerStep = 64;

}  // namespace

ComputePrompts::ComputePrompts(PrefillState& state, Forward& forward, const KvCache& cache,
                               const Model& model, int usable_vocab, Incarnation self,
                               const ChunkLimits& limits, PrefillMetrics& metrics)
    : state_(state),
      forward_(forward),
      cache_(cache),
      config_(model.config()),
      usable_vocab_(usable_vocab),
      self_(self),
      limits_(limits),
      metrics_(metrics),
      thread_([this] { Loop(); }) {}

ComputePrompts::~ComputePrompts() { thread_.join(); }

void ComputePrompts::Loop() {
  std::vector<PromptPtr> computing;
  while (state_.WaitForWork(&computing)) {
    std::vector<PromptPtr> alive;
    for (PromptPtr& prompt : computing) {
      absl::Status status = prompt->Alive();
      if (status.ok()) status = prompt->peer->Health();
      if (!status.ok()) {
        StartEnding(prompt, status);
        continue;
      }
      if (prompt->push == nullptr) {
        prompt->push = std::make_unique<KvPush>(prompt->peer, cache_, self_, prompt->job.ticket,
                                                prompt->pages);
      }
      alive.push_back(std::move(prompt));
    }
    computing = std::move(alive);
    if (!computing.empty()) Step(computing);
  }
}

void ComputePrompts::Step(std::vector<PromptPtr>& computing) {
  // Prompts share a step evenly, and those that had their share go to the back.
  const int prompts = static_cast<int>(std::min<size_t>(computing.size(), kMaxPromptsPerStep));
  std::vector<ChunkedWork> work;
  for (size_t i = 0; i < computing.size(); ++i) {
    work.push_back({.id = i, .remaining_tokens = computing[i]->remaining()});
  }
  const StepPlan plan = PlanStep({}, work,
                                 {.max_rows = limits_.chunk_tokens,
                                  .max_sequences = kMaxPromptsPerStep,
                                  .max_chunk_tokens = std::max(1, limits_.chunk_tokens / prompts)});
  std::vector<SequenceChunk> chunks;
  for (const PlannedChunk& planned : plan.chunks) {
    const Prompt& prompt = *computing[planned.id];
    chunks.push_back({.tokens = std::span<const TokenId>(prompt.job.prompt_ids)
                                    .subspan(static_cast<size_t>(prompt.computed),
                                             static_cast<size_t>(planned.tokens)),
                      .start = prompt.computed,
                      .pages = prompt.pages,
                      .kind = RowKind::kPrompt,
                      .want_logits = planned.tokens == prompt.remaining()});
  }
  const auto push_layer = [&](int layer) {
    for (const PlannedChunk& planned : plan.chunks) {
      Prompt& prompt = *computing[planned.id];
      prompt.push->LayerReady(layer, prompt.computed + planned.tokens);
    }
  };
  const SteadyTime started = Now();
  auto result =
      forward_.Step(chunks, {.deadline = After(limits_.step_timeout), .on_layer_kv = push_layer});
  metrics_.step_seconds.Observe(SecondsSince(started));
  if (!result.ok())
    LogError("step failed", {{"rows", plan.rows}, {"why", Message(result.status())}});

  std::vector<bool> planned_here(computing.size(), false);
  std::vector<PromptPtr> planned_on;  // go on
  size_t row = 0;                     // of the logits: prompts that are complete, in order
  for (const PlannedChunk& planned : plan.chunks) {
    planned_here[planned.id] = true;
    const PromptPtr& prompt = computing[planned.id];
    if (!result.ok()) {
      const bool late = result.status().code() == absl::StatusCode::kDeadlineExceeded;
      StartEnding(prompt, late ? Unavailable("a step took longer than {} ms: {}",
                                             limits_.step_timeout.count(), Message(result.status()))
                               : result.status());
      continue;
    }
    prompt->computed += planned.tokens;
    metrics_.tokens.Add(planned.tokens);
    if (prompt->remaining() > 0) {
      planned_on.push_back(prompt);
      continue;
    }
    const size_t vocab = static_cast<size_t>(config_.vocab_size);
    StartEnding(prompt,
                Draw(*prompt, std::span<const float>(result->logits).subspan(row * vocab, vocab)));
    ++row;
  }
  std::vector<PromptPtr> next;
  for (size_t i = 0; i < computing.size(); ++i) {
    if (!planned_here[i]) next.push_back(computing[i]);
  }
  next.insert(next.end(), planned_on.begin(), planned_on.end());
  computing = std::move(next);
  if (result.ok()) forward_.Recycle(*std::move(result));
}

absl::Status ComputePrompts::Draw(Prompt& prompt, std::span<const float> logits) const {
  ASSIGN_OR_RETURN(prompt.first_token, Sample(logits, usable_vocab_, prompt.job.sampling,
                                              static_cast<int64_t>(prompt.job.prompt_ids.size())));
  return absl::OkStatus();
}

void ComputePrompts::StartEnding(const PromptPtr& prompt, absl::Status status) {
  state_.StartEnding(prompt);
  enders_.Add([this, prompt, status = std::move(status)] {
    absl::StatusOr<PrefillResult> result = status.ok() ? absl::UnknownError("unset") : status;
    if (status.ok()) {
      auto manifest = prompt->push->Finish(std::min(prompt->deadline, After(kPushTimeout)));
      if (manifest.ok()) {
        result = PrefillResult{.first_token = std::move(prompt->first_token),
                               .manifest = *std::move(manifest)};
      } else {
        result = manifest.status();
      }
    }
    prompt->push.reset();  // from here on no send reads the pages
    state_.End(prompt, std::move(result));
  });
}

}  // namespace conclave
