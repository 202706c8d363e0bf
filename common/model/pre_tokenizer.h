// Cuts text into the pieces inside which BPE merges: a sequence of regular expressions, each
// applied inside the pieces of the one before. A match becomes a piece of its own, and so does the
// text between two matches ("Split" with behaviour "Isolated" in tokenizer.json). Internal to this
// module.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/status.h"

namespace conclave {

// Const and thread-safe.
class PreTokenizer {
 public:
  // Patterns are in Oniguruma's notation, of which the part that PCRE2 shares is accepted.
  // InvalidArgument with the place in the pattern when it does not compile or can match the empty
  // string.
  static absl::StatusOr<std::unique_ptr<PreTokenizer>> Create(
      const std::vector<std::string>& patterns, const std::string& origin);
  ~PreTokenizer();

  // Replaces `pieces` with the non-empty pieces of `text`, in order. REQUIRES: well-formed UTF-8.
  // Linear in the text for patterns whose matches need no backtracking beyond themselves.
  absl::Status Split(std::string_view text, std::vector<std::string_view>& pieces) const;

 private:
  struct Pattern;
  PreTokenizer();
  std::vector<std::unique_ptr<Pattern>> patterns_;
};

}  // namespace conclave
