#include <limits>

#include "services/router/request.h"
#include "services/router/request_error.h"

namespace conclave {
namespace {

constexpr int64_t kMaxTokens = std::numeric_limits<int32_t>::max();

}  // namespace

absl::Status ValidateRequest(const GenerationRequest& request) {
  const RequestedSampling& sampling = request.sampling;
  // Written so that NaN fails too.
  if (!(sampling.temperature >= 0 && sampling.temperature <= 2)) {
    return WithParam(
        InvalidArgument("'temperature' is {}, but must be between 0 and 2", sampling.temperature),
        "temperature");
  }
  if (!(sampling.top_p > 0 && sampling.top_p <= 1)) {
    return WithParam(
        InvalidArgument("'top_p' is {}, but must be greater than 0 and at most 1", sampling.top_p),
        "top_p");
  }
  if (sampling.max_tokens.has_value() &&
      (*sampling.max_tokens < 1 || *sampling.max_tokens > kMaxTokens)) {
    return WithParam(InvalidArgument("'max_tokens' is {}, but must be between 1 and {}",
                                     *sampling.max_tokens, kMaxTokens),
                     "max_tokens");
  }
  if (sampling.top_logprobs < 0 || sampling.top_logprobs > kMaxTopLogprobs) {
    return WithParam(InvalidArgument("'top_logprobs' is {}, but must be between 0 and {}",
                                     sampling.top_logprobs, kMaxTopLogprobs),
                     "top_logprobs");
  }
  if (request.stop.size() > kMaxStops) {
    return WithParam(InvalidArgument("'stop' has {} strings, but at most {} are allowed",
                                     request.stop.size(), kMaxStops),
                     "stop");
  }
  for (const std::string& stop : request.stop) {
    if (stop.empty())
      return WithParam(
          InvalidArgument("'stop' contains an empty string, which would match everywhere"), "stop");
  }
  if (const auto* messages = std::get_if<std::vector<ChatMessage>>(&request.input)) {
    if (messages->empty())
      return WithParam(InvalidArgument("'messages' is empty, but needs at least one message"),
                       "messages");
    for (size_t i = 0; i < messages->size(); ++i) {
      const std::string& role = (*messages)[i].role;
      if (role != "system" && role != "user" && role != "assistant" && role != "tool") {
        return WithParam(
            InvalidArgument(
                "'messages[{}].role' is '{}', but must be one of system, user, assistant, tool", i,
                role),
            fmt::format("messages[{}].role", i));
      }
    }
  }
  if (const auto* ids = std::get_if<std::vector<int32_t>>(&request.input);
      ids != nullptr && ids->empty()) {
    return WithParam(InvalidArgument("'prompt' is an empty list of token ids"), "prompt");
  }
  return absl::OkStatus();
}

}  // namespace conclave
