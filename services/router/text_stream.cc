#include "services/router/text_stream.h"

namespace conclave {

TextStream::TextStream(const Tokenizer& tokenizer, Options options)
    : tokenizer_(tokenizer),
      split_(options.split_reasoning),
      decoder_(tokenizer, /*skip_special=*/true),
      splitter_(options.starts_reasoning),
      stop_(std::move(options.stops)),
      open_(tokenizer.FindToken("<think>")),
      close_(tokenizer.FindToken("</think>")),
      where_(options.starts_reasoning ? Where::kReasoning : Where::kStart) {}

TextStream::Piece TextStream::Push(TokenId token) {
  const std::string text = decoder_.Push(token);
  if (!split_) return {stop_.Push(text), ""};
  CountReasoning(token);
  ReasoningSplitter::Piece piece = splitter_.Push(text);
  return {stop_.Push(piece.content), std::move(piece.reasoning)};
}

TextStream::Piece TextStream::Finish() {
  if (stopped()) return {};
  Piece out;
  std::string text = decoder_.Finish();
  if (split_) {
    ReasoningSplitter::Piece piece = splitter_.Push(text);
    ReasoningSplitter::Piece rest = splitter_.Finish();
    out.reasoning = piece.reasoning + rest.reasoning;
    text = piece.content + rest.content;
  }
  out.content = stop_.Push(text);
  out.content += stop_.Finish();
  return out;
}

void TextStream::CountReasoning(TokenId token) {
  switch (where_) {
    case Where::kStart:
      if (token == open_) {
        where_ = Where::kReasoning;
      } else if (tokenizer_.TokenBytes(token).find_first_not_of(" \t\r\n") !=
                 std::string_view::npos) {
        where_ = Where::kAnswer;
      }
      return;
    case Where::kReasoning:
      if (token == close_) {
        where_ = Where::kAnswer;
      } else if (!tokenizer_.IsSpecial(token)) {
        ++reasoning_tokens_;
      }
      return;
    case Where::kAnswer:
      return;
  }
}

}  // namespace conclave
