// Tokens that are recognised literally in the text before anything else happens to it. Internal to
// this module.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/model/tokenizer.h"

namespace conclave {

// A piece of the text: an added token, or plain text when `id` is negative.
struct Segment {
  std::string_view text;
  TokenId id = -1;
};

// A set of literals. Const and thread-safe once filled.
class AddedTokenSet {
 public:
  // REQUIRES: `content` is not empty. A later literal of the same text replaces the earlier one.
  void Add(std::string_view content, TokenId id);
  // Appends the segments of plain `text`, leftmost match first, the longest at each place. Empty
  // plain text is left out.
  void Split(std::string_view text, std::vector<Segment>& out) const;

 private:
  // A trie over bytes: (node, byte) -> node; node 0 is the root.
  static uint64_t Edge(uint32_t node, char byte) {
    return uint64_t{node} << 8 | static_cast<uint8_t>(byte);
  }
  std::unordered_map<uint64_t, uint32_t> edges_;
  std::vector<TokenId> token_at_ = {-1};
  std::array<bool, 256> starts_{};  // bytes that begin a literal
};

}  // namespace conclave
