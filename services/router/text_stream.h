// Tokens to text as clients get it: detokenized, reasoning split off, cut at stop strings. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/model/reasoning_splitter.h"
#include "common/model/stop_scanner.h"
#include "common/model/stream_decoder.h"
#include "common/model/tokenizer.h"

namespace conclave {

// Not thread-safe; one per stream. `tokenizer` must outlive it. What comes out in total, and the
// token at which a stop string is found, do not depend on how tokens are grouped into messages.
class TextStream {
 public:
  struct Options {
    bool split_reasoning = false;    // chat only
    bool starts_reasoning = false;   // the prompt ended with <think>
    std::vector<std::string> stops;  // looked for in the answer, not in the reasoning
  };
  TextStream(const Tokenizer& tokenizer, Options options);

  struct Piece {
    std::string content, reasoning;
  };
  // Not to be called once stopped().
  Piece Push(TokenId token);
  // What was held back.
  Piece Finish();

  bool stopped() const { return stop_.stopped(); }
  // Tokens pushed between <think> and </think>, without the tags.
  int reasoning_tokens() const { return reasoning_tokens_; }

 private:
  enum class Where { kStart, kReasoning, kAnswer };
  void CountReasoning(TokenId token);

  const Tokenizer& tokenizer_;
  const bool split_;
  StreamDecoder decoder_;
  ReasoningSplitter splitter_;
  StopScanner stop_;
  const std::optional<TokenId> open_, close_;  // <think>, </think> as single tokens
  Where where_;
  int reasoning_tokens_ = 0;
};

}  // namespace conclave
