// What a router knows of the model: everything but the weights. Const after loading, thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/model/chat_format.h"
#include "common/model/model_config.h"
#include "common/model/tokenizer.h"
#include "services/router/request.h"

namespace conclave {

struct ModelAssets {
  std::string id;         // name it is served under
  int64_t created_s = 0;  // seconds since 1970
  ModelConfig config;
  std::unique_ptr<const Tokenizer> tokenizer;
  std::unique_ptr<const ChatFormat> chat_format;

  int context_length() const { return config.max_position_embeddings; }  // tokens
};

// Errors name the file and the field.
absl::StatusOr<std::unique_ptr<const ModelAssets>> LoadModelAssets(const std::string& dir,
                                                                   const std::string& id);

struct PreparedPrompt {
  std::vector<TokenId> ids;       // with BOS, shorter than the context
  bool starts_reasoning = false;  // the text ends with <think>: the answer begins inside
};

// Renders and tokenizes. InvalidArgument: an order of messages that the format cannot express,
// invalid UTF-8, an id outside the vocabulary, a prompt that leaves no room in the context (code
// context_length_exceeded).
absl::StatusOr<PreparedPrompt> PreparePrompt(const ModelAssets& model,
                                             const GenerationRequest& request);

}  // namespace conclave
