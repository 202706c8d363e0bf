// Splits a stream of text into reasoning (between <think> and </think>) and answer, across any chunking.
#pragma once

#include <string>
#include <string_view>

namespace conclave {

// Not thread-safe; one per stream.
class ReasoningSplitter {
 public:
  struct Piece {
    std::string reasoning;
    std::string content;
  };
  // `starts_inside`: the prompt already ended with <think>.
  explicit ReasoningSplitter(bool starts_inside) : inside_(starts_inside) {}
  // What of the text is decided; a possible prefix of a tag is held back.
  Piece Push(std::string_view text);
  Piece Finish();

 private:
  bool inside_;
  bool started_ = false;  // an opening tag counts only before any other text
  bool trim_newline_ = false;
  std::string held_;
};

}  // namespace conclave
