#include "common/model/reasoning_splitter.h"

#include <algorithm>

namespace conclave {
namespace {

constexpr std::string_view kOpen = "<think>";
constexpr std::string_view kClose = "</think>";

// Length of the longest end of `text` that is a proper beginning of `tag`.
size_t PartialTag(std::string_view text, std::string_view tag) {
  for (size_t n = std::min(tag.size() - 1, text.size()); n > 0; --n) {
    if (text.substr(text.size() - n) == tag.substr(0, n)) return n;
  }
  return 0;
}

// Length of `text` without the line breaks at its end.
size_t WithoutNewlines(std::string_view text) {
  size_t last = text.find_last_not_of('\n');
  return last == std::string_view::npos ? 0 : last + 1;
}

}  // namespace

ReasoningSplitter::Piece ReasoningSplitter::Push(std::string_view text) {
  held_ += text;
  Piece piece;
  Drain(false, piece);
  return piece;
}

ReasoningSplitter::Piece ReasoningSplitter::Finish() {
  Piece piece;
  Drain(true, piece);
  return piece;
}

void ReasoningSplitter::Drain(bool final, Piece& piece) {
  while (!held_.empty()) {
    if (trim_newline_) {
      held_.erase(0, held_.find_first_not_of('\n'));
      if (held_.empty()) return;
      trim_newline_ = false;
    }
    if (inside_) {
      size_t close = held_.find(kClose);
      if (close == std::string::npos) {
        // Hold back what may be the closing tag, and the line breaks that would be dropped before
        // it.
        size_t safe = final ? held_.size()
                            : WithoutNewlines(std::string_view(held_).substr(
                                  0, held_.size() - PartialTag(held_, kClose)));
        piece.reasoning.append(held_, 0, safe);
        held_.erase(0, safe);
        return;
      }
      piece.reasoning.append(held_, 0, WithoutNewlines(std::string_view(held_).substr(0, close)));
      held_.erase(0, close + kClose.size());
      inside_ = false;
      started_ = true;
      trim_newline_ = true;
      continue;
    }
    if (!started_) {
      size_t begin = held_.find_first_not_of(" \t\r\n");
      if (begin == std::string::npos && !final) return;
      std::string_view rest =
          begin == std::string::npos ? std::string_view() : std::string_view(held_).substr(begin);
      if (rest.starts_with(kOpen)) {
        held_.erase(0, begin + kOpen.size());
        inside_ = started_ = trim_newline_ = true;
        continue;
      }
      if (!final && kOpen.starts_with(rest)) return;
      started_ = true;
    }
    piece.content += held_;
    held_.clear();
  }
}

}  // namespace conclave
