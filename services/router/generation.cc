#include "services/router/generation.h"

#include <algorithm>

#include "common/base/ids.h"
#include "common/base/log.h"
#include "services/router/request_error.h"

namespace conclave {
namespace {

// Small enough for programs that read JSON numbers as doubles.
constexpr uint64_t kDrawnSeedMask = (uint64_t{1} << 53) - 1;

}  // namespace

Generation::Generation(Pipeline& pipeline, GenerationRequest request,
                       std::shared_ptr<GenerationSink> sink)
    : pipeline_(pipeline), request_(std::move(request)), sink_(std::move(sink)) {}

void Generation::Cancel() { CancelWith(Cancelled("the client left")); }

void Generation::CancelWith(absl::Status reason) {
  {
    MutexLock lock(mu_);
    if (cancel_reason_.ok()) cancel_reason_ = std::move(reason);
  }
  StopCall();
}

absl::Status Generation::cancel_reason() {
  MutexLock lock(mu_);
  return cancel_reason_;
}

void Generation::StopCall() {
  std::shared_ptr<DecodeCall> call;
  {
    MutexLock lock(mu_);
    stop_call_ = true;
    call = call_;
  }
  if (call != nullptr) call->Cancel();
}

void Generation::Prepare() {
  absl::Status status = Plan();
  if (status.ok()) status = Attempt("");
  if (status.ok()) return;
  Fail(std::move(status));
  pipeline_.Remove(this);
}

absl::Status Generation::Plan() {
  const ModelAssets& model = pipeline_.model_;
  RETURN_IF_ERROR(ValidateRequest(request_));
  if (!request_.model.empty() && request_.model != model.id) {
    return WithParam(NotFound("the model '{}' does not exist here; this cluster serves '{}'",
                              request_.model, model.id),
                     "model", "model_not_found");
  }
  ASSIGN_OR_RETURN(PreparedPrompt prompt, PreparePrompt(model, request_));

  const RequestedSampling& sampling = request_.sampling;
  const int room = model.context_length() - static_cast<int>(prompt.ids.size());
  spec_.request_id = RandomName(request_.is_chat() ? "chatcmpl" : "cmpl");
  spec_.temperature = sampling.temperature;
  spec_.top_p = sampling.top_p;
  spec_.seed = sampling.seed.value_or(RandomId() & kDrawnSeedMask);
  spec_.top_logprobs = static_cast<uint32_t>(sampling.top_logprobs);
  spec_.max_tokens =
      static_cast<uint32_t>(std::min<int64_t>(sampling.max_tokens.value_or(room), room));
  spec_.ignore_eos = sampling.ignore_eos;
  spec_.prompt_ids = std::move(prompt.ids);

  start_.id = spec_.request_id;
  start_.model = model.id;
  start_.seed = spec_.seed;
  start_.prompt_tokens = usage_.prompt_tokens = static_cast<int>(spec_.prompt_ids.size());
  start_.created_s = WallMicros() / 1000000;
  text_.emplace(*model.tokenizer,
                TextStream::Options{request_.is_chat(), prompt.starts_reasoning, request_.stop});
  return absl::OkStatus();
}

absl::Status Generation::Attempt(const std::string& except) {
  RETURN_IF_ERROR(cancel_reason());
  if (Now() >= request_.deadline)
    return DeadlineExceeded("the request's deadline passed before it reached a decode worker");
  ASSIGN_OR_RETURN(lease_, pipeline_.workers_.Pick(spec_.request_id, except));
  spec_.prefill_addresses = lease_->PrefillAddresses();
  start_.fingerprint = fmt::format("fp_{:016x}", lease_->decode().fingerprint);
  int attempt = 0;
  {
    MutexLock lock(mu_);
    attempt = ++attempt_;
    call_.reset();
  }
  DecodeEvents events;
  events.on_tokens = [self = shared_from_this()](std::vector<GeneratedToken> tokens,
                                                 std::optional<FinishReason> finish) {
    self->OnTokens(std::move(tokens), finish);
  };
  events.on_done = [self = shared_from_this()](absl::Status status) {
    self->OnDone(std::move(status));
  };
  std::shared_ptr<DecodeCall> call = pipeline_.decode_.Generate(
      lease_->decode().grpc_address, spec_, request_.deadline, std::move(events));
  // From here on callbacks may have run, even those of a next attempt: touch nothing but what mu_
  // guards.
  bool cancel = false;
  {
    MutexLock lock(mu_);
    if (attempt != attempt_) return absl::OkStatus();
    call_ = call;
    cancel = stop_call_;
  }
  if (cancel) call->Cancel();
  return absl::OkStatus();
}

void Generation::OnTokens(std::vector<GeneratedToken> tokens, std::optional<FinishReason> finish) {
  if (sink_ == nullptr) return;  // finished by a stop string; what is still on the way is dropped
  if (!started_) {
    started_ = true;
    lease_->PrefillDone();
    pipeline_.metrics_.ttft.Observe(SecondsSince(request_.received));
    pipeline_.metrics_.prompt_tokens.Add(usage_.prompt_tokens);
    sink_->OnStart(start_);
  }
  GenerationDelta delta;
  for (GeneratedToken& token : tokens) {
    TextStream::Piece piece = text_->Push(token.id);
    ++usage_.completion_tokens;
    delta.content += piece.content;
    delta.reasoning += piece.reasoning;
    delta.tokens.push_back(std::move(token));
    if (text_->stopped()) {
      Deliver(std::move(delta));
      Finish(FinishReason::kStop);
      return StopCall();
    }
  }
  if (finish.has_value()) {
    TextStream::Piece piece = text_->Finish();
    delta.content += piece.content;
    delta.reasoning += piece.reasoning;
    if (text_->stopped()) finish = FinishReason::kStop;
  }
  Deliver(std::move(delta));
  if (finish.has_value()) Finish(*finish);
}

void Generation::OnDone(absl::Status status) {
  const std::string worker = lease_->decode().id;
  lease_.reset();
  if (sink_ != nullptr) {
    if (absl::Status reason = cancel_reason(); !reason.ok()) {
      Fail(std::move(reason));
    } else if (status.code() == absl::StatusCode::kUnavailable && !started_ && !retried_) {
      retried_ = true;
      LogWarning("decode worker lost, trying another",
                 {{"request", spec_.request_id}, {"worker", worker}, {"error", Message(status)}});
      if (const absl::Status again = Attempt(worker); again.ok()) {
        pipeline_.metrics_.retries.Add();
        return;
      }
      Fail(Annotate(status, "decode worker " + worker));
    } else if (status.code() == absl::StatusCode::kDeadlineExceeded) {
      Fail(DeadlineExceeded(
          "the request's deadline passed after {:.1f} s and {} tokens (decode worker {}: {})",
          SecondsSince(request_.received), usage_.completion_tokens, worker, Message(status)));
    } else if (status.ok()) {
      Fail(Internal("decode worker {} ended the stream without a finish reason", worker));
    } else {
      Fail(Annotate(status, "decode worker " + worker));
    }
  }
  pipeline_.Remove(this);
}

void Generation::Deliver(GenerationDelta delta) {
  if (!delta.content.empty() || !delta.reasoning.empty() || !delta.tokens.empty())
    sink_->OnDelta(delta);
}

void Generation::Finish(FinishReason reason) {
  usage_.reasoning_tokens = text_->reasoning_tokens();
  pipeline_.metrics_.completion_tokens.Add(usage_.completion_tokens);
  pipeline_.metrics_.reasoning_tokens.Add(usage_.reasoning_tokens);
  pipeline_.Release();
  std::exchange(sink_, nullptr)->OnFinish(reason, usage_);
}

void Generation::Fail(absl::Status status) {
  if (usage_.completion_tokens > 0)
    pipeline_.metrics_.completion_tokens.Add(usage_.completion_tokens);
  pipeline_.Release();
  std::exchange(sink_, nullptr)->OnError(status);
}

}  // namespace conclave
