// One request on its way through a decode worker.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/engine/sampler.h"

namespace conclave {

// How a sequence ended by itself.
enum class SequenceEnd { kNone, kStop, kLength };

// Where the tokens of one sequence go. Called by one thread at a time; must not block.
class TokenSink {
 public:
  virtual ~TokenSink() = default;
  // `end` is set with the last token. ResourceExhausted when the client reads too slowly, Cancelled
  // when it is gone: the sequence ends then.
  virtual absl::Status Write(const SampledToken& token, SequenceEnd end) = 0;
  // Once, last: OK after a token with `end`, else why the sequence ended early.
  virtual void Finish(const absl::Status& status) = 0;
};

// What was asked for. Const once submitted.
struct SequenceSpec {
  std::string request_id;
  std::vector<TokenId> prompt;
  SamplingParams sampling;
  int max_tokens = 1;  // clamped to the context
  bool ignore_eos = false;
  std::vector<std::string> prefill_addresses;
  SteadyTime deadline;
};

// kWaiting: in the queue, without pages. kReceiving: owned by the hand-off. kRunning: owned by the
// step loop. kDone: owned by nobody, its pages are back in the pool.
enum class SequenceStage { kWaiting, kReceiving, kRunning, kDone };

struct Sequence {
  SequenceSpec spec;
  std::unique_ptr<TokenSink> sink;
  SteadyTime submitted = Now();

  std::atomic<bool> cancelled{false};  // by the client
  std::atomic<bool> evicted{false};    // by the end of this worker
  // Past its deadline, Cancelled, or Unavailable (evicted); OK otherwise.
  absl::Status Alive() const {
    if (Now() >= spec.deadline) {
      return DeadlineExceeded("request {} passed its deadline after {} of {} tokens",
                              spec.request_id, generated.load(), spec.max_tokens);
    }
    if (cancelled) return Cancelled("request {} was cancelled", spec.request_id);
    if (evicted) {
      return Unavailable(
          "request {} lost its decode worker after {} of {} tokens: it is shutting down",
          spec.request_id, generated.load(), spec.max_tokens);
    }
    return absl::OkStatus();
  }

  // Guarded by DecodeState's lock.
  SequenceStage stage = SequenceStage::kWaiting;
  std::vector<int32_t>
      pages;  // for the whole life of the sequence; written before the stage changes

  // Used by the owner of the stage.
  std::atomic<int> generated{0};  // tokens written to the sink
  TokenId last_token = 0;         // not in the cache yet

  // Positions that need KV: all but the last token's.
  int PageTokens() const { return static_cast<int>(spec.prompt.size()) + spec.max_tokens - 1; }
  // Position of `last_token`.
  int LastPosition() const { return static_cast<int>(spec.prompt.size()) + generated - 1; }
};

}  // namespace conclave
