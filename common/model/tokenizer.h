// Byte-level BPE from tokenizer.json, equal to Hugging Face's tokenizers for DeepSeek's files.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/status.h"

namespace conclave {

using TokenId = int32_t;

// Const and thread-safe after loading.
class Tokenizer {
 public:
  // Reads `dir`/tokenizer.json. Errors name the file and the field.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Load(const std::string& dir);
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Parse(std::string_view json,
                                                          const std::string& origin);
  virtual ~Tokenizer() = default;

  // Added tokens are recognised in the text; no BOS is added. Invalid UTF-8 is InvalidArgument.
  virtual absl::StatusOr<std::vector<TokenId>> Encode(std::string_view text) const = 0;
  // Bytes of all tokens, then UTF-8 with one U+FFFD per maximal invalid subpart. Ids outside the
  // vocabulary are InvalidArgument.
  virtual absl::StatusOr<std::string> Decode(std::span<const TokenId> ids,
                                             bool skip_special) const = 0;
  // Raw bytes of one token, which may be a part of a character. Unknown ids give no bytes.
  virtual std::string_view TokenBytes(TokenId id) const = 0;
  virtual bool IsSpecial(TokenId id) const = 0;
  // The token that stands for exactly these bytes; an added token by its literal text.
  virtual std::optional<TokenId> FindToken(std::string_view content) const = 0;
  // One more than the largest id in use; logits at and above it must be masked.
  virtual int VocabSize() const = 0;
};

}  // namespace conclave
