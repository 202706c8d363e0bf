// OpenAI-shaped JSON bodies to generations.
#pragma once

#include <string>

#include "common/base/status.h"
#include "services/router/request.h"

namespace conclave {

struct ParsedBody {
  GenerationRequest request;  // deadline not set
  bool stream = false;
  bool include_usage = false;  // stream_options.include_usage
  bool logprobs = false;
  bool return_token_ids = false;  // ours: choices carry the ids of their tokens
};

// Types and shapes are checked here, ranges in ValidateRequest. InvalidArgument names the
// parameter; for malformed JSON the position. Fields that nobody knows are ignored, known ones that
// would change the answer and are not there yet (tools, n > 1, penalties, ...) are refused.
absl::StatusOr<ParsedBody> ParseChatBody(const std::string& body);
absl::StatusOr<ParsedBody> ParseCompletionBody(const std::string& body);

}  // namespace conclave
