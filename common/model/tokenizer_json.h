// tokenizer.json, parsed and checked but not yet indexed. Internal to this module.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/status.h"
#include "common/model/tokenizer.h"

namespace conclave {

struct TokenizerSpec {
  struct Added {
    TokenId id = 0;
    std::string content;
    bool special = false;
    bool normalized = false;  // matched only after the others, in what they left over
  };
  std::vector<Added> added;
  bool nfc = false;                                         // the text is normalised to form C
  bool ignore_merges = false;                               // a piece that is a token stays whole
  std::vector<std::string> split_patterns;                  // in order
  std::vector<std::pair<std::string, TokenId>> vocab;       // in the byte-level alphabet
  std::vector<std::pair<std::string, std::string>> merges;  // by rank
};

// InvalidArgument naming the field for anything that this tokenizer does not do exactly: a
// normaliser other than NFC, another model than BPE, byte fallback, stripping added tokens, other
// pre-tokenizers or decoders.
absl::StatusOr<TokenizerSpec> ParseTokenizerJson(std::string_view json, const std::string& origin);

}  // namespace conclave
