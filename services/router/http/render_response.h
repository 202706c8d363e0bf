// Generations to OpenAI-shaped JSON. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "common/model/tokenizer.h"
#include "services/router/request.h"

namespace conclave {

// One generation's JSON, chat or text. Not thread-safe. `tokenizer` must outlive it.
class ResponseRenderer {
 public:
  struct Options {
    bool chat = true;
    bool logprobs = false;
    bool include_usage = false;  // streams only
    bool token_ids = false;      // choices carry "token_ids"
  };
  ResponseRenderer(const Tokenizer& tokenizer, Options options)
      : tokenizer_(tokenizer), options_(options) {}

  // Call first.
  void SetStart(const GenerationStart& start) { start_ = start; }
  // The events of a stream, as JSON texts. The first one of a chat carries the role. A delta
  // without anything to tell gives none.
  std::string FirstChunk();
  std::optional<std::string> DeltaChunk(const GenerationDelta& delta);
  std::string FinishChunk(FinishReason reason);
  std::optional<std::string> UsageChunk(const GenerationUsage& usage);  // only with include_usage

  // The whole answer at once.
  std::string Whole(const GenerationDelta& all, FinishReason reason, const GenerationUsage& usage);

 private:
  nlohmann::ordered_json Head(bool chunk) const;
  std::string Chunk(nlohmann::ordered_json choice);
  nlohmann::ordered_json ChatLogprobs(const std::vector<GeneratedToken>& tokens) const;
  nlohmann::ordered_json TextLogprobs(const std::vector<GeneratedToken>& tokens);

  const Tokenizer& tokenizer_;
  const Options options_;
  GenerationStart start_;
  size_t text_offset_ = 0;  // characters of the tokens so far, for logprobs of completions
};

}  // namespace conclave
