#include "services/decode/jobs/receive_prompt.h"

#include <algorithm>

#include "common/base/log.h"

namespace conclave {

// One sequence's way through its list of prefill workers.
struct ReceivePrompt::Attempt {
  std::shared_ptr<Sequence> sequence;
  size_t index = 0;      // in the list of addresses
  uint64_t session = 0;  // 0 = none open
  // Guarded by mu_.
  uint64_t generation = 0;  // of the session, counts up with every attempt
  bool finished = false;
};

ReceivePrompt::ReceivePrompt(
    KvReceiver& receiver, PrefillClient& client, uint32_t layers,
    std::chrono::milliseconds handoff_timeout, DecodeMetrics& metrics,
    std::function<void(const std::shared_ptr<Sequence>&, absl::StatusOr<SampledToken>)> done)
    : receiver_(receiver),
      client_(client),
      layers_(layers),
      handoff_timeout_(handoff_timeout),
      metrics_(metrics),
      done_(std::move(done)) {}

ReceivePrompt::~ReceivePrompt() = default;

void ReceivePrompt::Start(const std::shared_ptr<Sequence>& sequence) {
  auto attempt = std::make_shared<Attempt>();
  attempt->sequence = sequence;
  threads_.Add([this, attempt] { Ask(attempt); });
}

void ReceivePrompt::Interrupt(const std::shared_ptr<Sequence>& sequence) {
  std::shared_ptr<PrefillCall> call;
  {
    MutexLock lock(mu_);
    auto it = calls_.find(sequence.get());
    if (it != calls_.end()) call = it->second;
  }
  if (call != nullptr) call->Cancel();
}

void ReceivePrompt::Ask(std::shared_ptr<Attempt> attempt) {
  const std::shared_ptr<Sequence>& sequence = attempt->sequence;
  const SequenceSpec& spec = sequence->spec;
  if (absl::Status alive = sequence->Alive(); !alive.ok()) return Finish(attempt, alive);
  const size_t prompt_pages = (spec.prompt.size() + kPageTokens - 1) / kPageTokens;
  const std::vector<int32_t> pages(sequence->pages.begin(), sequence->pages.begin() + prompt_pages);
  uint64_t generation = 0;
  {
    MutexLock lock(mu_);
    generation = ++attempt->generation;
  }
  const HandoffTicket ticket =
      receiver_.Open(generation, static_cast<uint32_t>(spec.prompt.size()), layers_, pages);
  attempt->session = ticket.session;
  PrefillJob job{.request_id = spec.request_id,
                 .prompt_ids = spec.prompt,
                 .sampling = spec.sampling,
                 .ticket = ticket};
  auto call = client_.Run(spec.prefill_addresses[attempt->index], std::move(job), spec.deadline,
                          [this, attempt](absl::StatusOr<PrefillResult> result) {
                            threads_.Add([this, attempt, result = std::move(result)]() mutable {
                              Answered(attempt, std::move(result));
                            });
                          });
  {
    MutexLock lock(mu_);  // the answer may have been here before us
    if (!attempt->finished && attempt->generation == generation) calls_[sequence.get()] = call;
  }
  if (!sequence->Alive().ok()) call->Cancel();
}

void ReceivePrompt::Answered(std::shared_ptr<Attempt> attempt,
                             absl::StatusOr<PrefillResult> result) {
  if (!result.ok()) return Failed(attempt, result.status());
  const SteadyTime deadline = std::min(attempt->sequence->spec.deadline, After(handoff_timeout_));
  const absl::Status verified = receiver_.Verify(result->manifest, deadline);
  if (!verified.ok()) {
    return Failed(
        attempt, Annotate(verified, "hand-off from prefill worker " +
                                        attempt->sequence->spec.prefill_addresses[attempt->index]));
  }
  receiver_.Close(attempt->session);
  attempt->session = 0;
  Finish(attempt, std::move(result->first_token));
}

void ReceivePrompt::Failed(std::shared_ptr<Attempt> attempt, const absl::Status& why) {
  receiver_.Close(attempt->session);  // from here on nobody writes the pages
  attempt->session = 0;
  const SequenceSpec& spec = attempt->sequence->spec;
  if (absl::Status alive = attempt->sequence->Alive(); !alive.ok()) return Finish(attempt, alive);
  const bool elsewhere = why.code() != absl::StatusCode::kInvalidArgument;
  if (elsewhere && attempt->index + 1 < spec.prefill_addresses.size()) {
    LogWarning("asking another prefill worker",
               {{"request", spec.request_id}, {"why", Message(why)}});
    metrics_.handoff_retries.Add();
    ++attempt->index;
    return Ask(attempt);
  }
  // A hand-off that timed out before the request's own deadline is a lost worker, not a late
  // request.
  if (why.code() == absl::StatusCode::kDeadlineExceeded ||
      why.code() == absl::StatusCode::kDataLoss || why.code() == absl::StatusCode::kCancelled) {
    return Finish(attempt, Unavailable("{}", Message(why)));
  }
  Finish(attempt, why);
}

void ReceivePrompt::Finish(const std::shared_ptr<Attempt>& attempt,
                           absl::StatusOr<SampledToken> result) {
  {
    MutexLock lock(mu_);
    attempt->finished = true;
    calls_.erase(attempt->sequence.get());
  }
  done_(attempt->sequence, std::move(result));
}

}  // namespace conclave
