// Token ids to text, one at a time, never breaking UTF-8: bytes of an unfinished character are held
// back until it is complete or Finish is called. What comes out in total equals Tokenizer::Decode
// of the whole sequence.
#pragma once

#include <string>

#include "common/model/tokenizer.h"

namespace conclave {

// Not thread-safe; one per stream. `tokenizer` must outlive it.
class StreamDecoder {
 public:
  StreamDecoder(const Tokenizer& tokenizer, bool skip_special)
      : tokenizer_(tokenizer), skip_special_(skip_special) {}
  // Text that became complete with this token; often empty in the middle of a character.
  std::string Push(TokenId id);
  // The held-back tail, each maximal invalid subpart as U+FFFD.
  std::string Finish();

 private:
  const Tokenizer& tokenizer_;
  bool skip_special_;
  std::string tail_;
};

}  // namespace conclave
