// Splits a stream of text into reasoning (between <think> and </think>) and answer. What comes out
// in total does not depend on how the text was cut into pieces. Line breaks next to a tag are
// layout and belong to neither part. Later tags are plain text.
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
  explicit ReasoningSplitter(bool starts_inside)
      : inside_(starts_inside), trim_newline_(starts_inside) {}
  // What of the text is decided; a possible prefix of a tag is held back.
  Piece Push(std::string_view text);
  // What was held back. Reasoning that was never closed is reasoning.
  Piece Finish();

 private:
  void Drain(bool final, Piece& piece);
  bool inside_;
  bool started_ = false;  // an opening tag counts only before any other text but white space
  bool trim_newline_;     // a tag was just passed: drop line breaks
  std::string held_;
};

}  // namespace conclave
