// Gets the prompt of a sequence computed by a prefill worker and its KV into our pages.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>

#include "common/base/mutex.h"
#include "common/client/workers/prefill_client.h"
#include "common/client/workers/task_threads.h"
#include "common/kv_transfer/receiver.h"
#include "services/decode/metrics.h"
#include "services/decode/sequence.h"

namespace conclave {

// Thread-safe. Every hand-off ends with exactly one call of `done`, by the sequence's deadline plus
// the hand-off timeout.
class ReceivePrompt {
 public:
  // `done`: the sequence's prompt is in its pages and the first token known, or why not. From one
  // of our threads. References must outlive it.
  ReceivePrompt(
      KvReceiver& receiver, PrefillClient& client, uint32_t layers,
      std::chrono::milliseconds handoff_timeout, DecodeMetrics& metrics,
      std::function<void(const std::shared_ptr<Sequence>&, absl::StatusOr<SampledToken>)> done);
  ~ReceivePrompt();  // waits for what runs: have every sequence cancelled and ended before

  // Asks the sequence's prefill workers one after the other, each under a new session, as long as
  // they are unavailable, overloaded or hand over damaged KV. Does not block.
  void Start(const std::shared_ptr<Sequence>& sequence);
  // The sequence was cancelled: its call to the prefill worker ends now.
  void Interrupt(const std::shared_ptr<Sequence>& sequence);

 private:
  struct Attempt;
  void Ask(std::shared_ptr<Attempt> attempt);
  void Answered(std::shared_ptr<Attempt> attempt, absl::StatusOr<PrefillResult> result);
  void Failed(std::shared_ptr<Attempt> attempt, const absl::Status& why);
  void Finish(const std::shared_ptr<Attempt>& attempt, absl::StatusOr<SampledToken> result);

  KvReceiver& receiver_;
  PrefillClient& client_;
  const uint32_t layers_;
  const std::chrono::milliseconds handoff_timeout_;
  DecodeMetrics& metrics_;
  const std::function<void(const std::shared_ptr<Sequence>&, absl::StatusOr<SampledToken>)> done_;
  Mutex mu_;
  std::map<const Sequence*, std::shared_ptr<PrefillCall>> calls_ GUARDED_BY(mu_);
  TaskThreads threads_{4};  // last: ends first
};

}  // namespace conclave
