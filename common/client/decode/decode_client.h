// The router's way to decode workers. One call = one sequence.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/client/generated_token.h"

namespace conclave {

// Mirrors conclave.v1.DecodeRequest, which explains the fields.
struct DecodeSpec {
  std::string request_id;
  std::vector<int32_t> prompt_ids;  // with BOS
  double temperature = 1;           // 0..2, 0 = greedy
  double top_p = 1;                 // (0, 1]
  uint64_t seed = 0;
  uint32_t choice = 0;
  uint32_t top_logprobs = 0;  // 0..20
  uint32_t max_tokens = 1;    // >= 1
  bool ignore_eos = false;
  std::vector<std::string> prefill_addresses;  // ranked, never empty
};

enum class FinishReason { kStop, kLength };

// Callbacks of one call, one at a time, from threads of the client. They must not block.
struct DecodeEvents {
  // New tokens in order; `finish` is set in the last message of a sequence that ended by itself.
  std::function<void(std::vector<GeneratedToken> tokens, std::optional<FinishReason> finish)>
      on_tokens;
  // Once, last. OK only after a message with `finish`; Cancelled after Cancel, DeadlineExceeded,
  // Unavailable when the worker was lost, or what the worker said.
  std::function<void(absl::Status)> on_done;
};

class DecodeCall {
 public:
  virtual ~DecodeCall() = default;
  // Stops the work on the worker; on_done still follows. Idempotent, from any thread, also from
  // callbacks.
  virtual void Cancel() = 0;
};

// Thread-safe.
class DecodeClient {
 public:
  virtual ~DecodeClient() = default;
  // Starts a call that ends by `deadline` whatever happens. Returns at once; callbacks may begin
  // before the return. The call goes on when the handle is dropped.
  virtual std::shared_ptr<DecodeCall> Generate(const std::string& address, const DecodeSpec& spec,
                                               SteadyTime deadline, DecodeEvents events) = 0;
};

class ChannelProvider;

// `channels` must outlive the client and its calls.
std::unique_ptr<DecodeClient> MakeDecodeClient(ChannelProvider& channels);

}  // namespace conclave
