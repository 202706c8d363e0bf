// A generation as both front doors understand it, and what comes back. Values only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/client/decode/decode_client.h"
#include "common/model/chat_format.h"

namespace conclave {

constexpr int kMaxStops = 16;
constexpr int kMaxTopLogprobs = 20;

// Names and ranges as in the OpenAI API; absent max_tokens = up to the context length.
struct RequestedSampling {
  std::optional<int64_t> max_tokens;
  double temperature = 1;
  double top_p = 1;
  std::optional<uint64_t> seed;  // absent = drawn by the router
  int64_t top_logprobs = 0;
  bool ignore_eos = false;
};

struct GenerationRequest {
  std::string model;  // empty = the one there is
  // A conversation, plain text (BOS is added), or token ids (used as they are).
  std::variant<std::vector<ChatMessage>, std::string, std::vector<int32_t>> input;
  RequestedSampling sampling;
  std::vector<std::string> stop;
  SteadyTime deadline;
  SteadyTime received = Now();

  bool is_chat() const { return input.index() == 0; }
};

// Ranges of everything that does not need the model. InvalidArgument names the parameter, its value
// and what is allowed.
absl::Status ValidateRequest(const GenerationRequest& request);

struct GenerationStart {
  std::string id;  // "chatcmpl-..." or "cmpl-..."
  std::string model;
  std::string fingerprint;  // of model and compute mode
  uint64_t seed = 0;
  int prompt_tokens = 0;
  int64_t created_s = 0;  // seconds since 1970
};

struct GenerationDelta {
  std::string content, reasoning;      // UTF-8, either may be empty
  std::vector<GeneratedToken> tokens;  // new tokens; their text may still be held back
};

struct GenerationUsage {
  int prompt_tokens = 0, completion_tokens = 0, reasoning_tokens = 0;
};

// Receives one generation: OnStart, OnDelta any number of times, then OnFinish; or OnError at any
// point, after which nothing comes. One call at a time, from any thread; must not block.
class GenerationSink {
 public:
  virtual ~GenerationSink() = default;
  virtual void OnStart(const GenerationStart& start) = 0;
  virtual void OnDelta(const GenerationDelta& delta) = 0;
  virtual void OnFinish(FinishReason reason, const GenerationUsage& usage) = 0;
  virtual void OnError(const absl::Status& status) = 0;
};

}  // namespace conclave
