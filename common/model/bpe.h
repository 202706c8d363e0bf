// Byte-pair encoding of one piece: its bytes are merged pair by pair, always the pair of lowest
// rank, of equals the leftmost, until no pair has a rank. Internal to this module.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/model/tokenizer.h"

namespace conclave {

// Const and thread-safe once filled.
class Bpe {
 public:
  void SetByte(uint8_t byte, TokenId id) { byte_id_[byte] = id; }
  // False when the pair is there already. Lower ranks merge first; ranks are unique.
  bool AddMerge(TokenId left, TokenId right, int32_t rank, TokenId merged) {
    return merges_.try_emplace(Key(left, right), Merge{rank, merged}).second;
  }
  void Reserve(size_t merges) { merges_.reserve(merges); }

  // Appends the tokens of `bytes`. O(n log n) in the length of the piece.
  void Encode(std::string_view bytes, std::vector<TokenId>& out) const;

 private:
  static constexpr int32_t kNoRank = INT32_MAX;
  struct Merge {
    int32_t rank = kNoRank;
    TokenId merged = -1;
  };
  static uint64_t Key(TokenId left, TokenId right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  Merge Find(TokenId left, TokenId right) const {
    auto it = merges_.find(Key(left, right));
    return it == merges_.end() ? Merge{} : it->second;
  }
  void EncodeShort(std::string_view bytes, std::vector<TokenId>& out) const;
  void EncodeLong(std::string_view bytes, std::vector<TokenId>& out) const;

  std::array<TokenId, 256> byte_id_{};
  absl::flat_hash_map<uint64_t, Merge> merges_;
};

}  // namespace conclave
