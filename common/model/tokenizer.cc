#include "common/model/tokenizer.h"

#include <algorithm>
#include <deque>
#include <unordered_map>

#include "common/model/added_tokens.h"
#include "common/model/bpe.h"
#include "common/model/byte_level.h"
#include "common/model/nfc.h"
#include "common/model/pre_tokenizer.h"
#include "common/model/read_file.h"
#include "common/model/tokenizer_json.h"
#include "common/model/utf8.h"

namespace conclave {
namespace {

constexpr int64_t kMaxFileBytes = 256 << 20;

class ByteLevelTokenizer : public Tokenizer {
 public:
  absl::Status Init(TokenizerSpec spec, const std::string& origin);

  absl::StatusOr<std::vector<TokenId>> Encode(std::string_view text) const override;
  absl::StatusOr<std::string> Decode(std::span<const TokenId> ids,
                                     bool skip_special) const override;
  std::string_view TokenBytes(TokenId id) const override {
    return InRange(id) ? std::string_view(tokens_[id].bytes) : std::string_view();
  }
  bool IsSpecial(TokenId id) const override { return InRange(id) && tokens_[id].special; }
  std::optional<TokenId> FindToken(std::string_view content) const override {
    auto it = ids_.find(content);
    return it == ids_.end() ? std::nullopt : std::optional(it->second);
  }
  int VocabSize() const override { return static_cast<int>(tokens_.size()); }

 private:
  struct Token {
    std::string bytes;
    bool used = false;
    bool in_vocab = false;  // of the model, not added to it
    bool special = false;
  };
  using VocabIndex = std::unordered_map<std::string_view, TokenId>;  // by byte-level text

  bool InRange(TokenId id) const { return id >= 0 && id < VocabSize(); }
  Token& Slot(TokenId id);
  absl::Status AddVocab(const TokenizerSpec& spec, VocabIndex& index, const std::string& origin);
  absl::Status AddMerges(const TokenizerSpec& spec, const VocabIndex& index,
                         const std::string& origin);
  absl::Status AddLiterals(const TokenizerSpec& spec, const VocabIndex& index,
                           const std::string& origin);

  std::vector<Token> tokens_;                          // by id
  std::unordered_map<std::string_view, TokenId> ids_;  // by bytes; views into tokens_
  AddedTokenSet first_;                                // literals matched in the raw text
  AddedTokenSet second_;  // literals matched in what the first left over
  std::unique_ptr<PreTokenizer> pre_tokenizer_;
  Bpe bpe_;
  bool nfc_ = false;
  std::unordered_map<std::string_view, TokenId> whole_;  // pieces that are not merged; by bytes
};

ByteLevelTokenizer::Token& ByteLevelTokenizer::Slot(TokenId id) {
  if (static_cast<size_t>(id) >= tokens_.size()) tokens_.resize(static_cast<size_t>(id) + 1);
  return tokens_[id];
}

absl::Status ByteLevelTokenizer::AddVocab(const TokenizerSpec& spec, VocabIndex& index,
                                          const std::string& origin) {
  index.reserve(spec.vocab.size());
  for (const auto& [text, id] : spec.vocab) {
    Token& token = Slot(id);
    if (token.used)
      return InvalidArgument("{}: vocab: id {} belongs to two tokens, one is {}", origin, id, text);
    token.used = token.in_vocab = true;
    // Literals such as <｜pad｜> lie in the vocabulary too and stand for their own UTF-8.
    token.bytes = BytesOfByteLevel(text).value_or(text);
    index.emplace(text, id);
  }
  for (int byte = 0; byte < 256; ++byte) {
    std::string text;
    AppendUtf8(ByteLevelAlphabet()[byte], text);
    auto it = index.find(text);
    // No UTF-8 has these bytes, and some vocabularies have no token for them.
    const bool never = byte == 0xC0 || byte == 0xC1 || byte >= 0xF5;
    if (it == index.end() && never) continue;
    if (it == index.end()) {
      return InvalidArgument(
          "{}: vocab: no token for byte 0x{:02X} ({}); every byte of UTF-8 needs one", origin, byte,
          text);
    }
    bpe_.SetByte(static_cast<uint8_t>(byte), it->second);
  }
  return absl::OkStatus();
}

absl::Status ByteLevelTokenizer::AddMerges(const TokenizerSpec& spec, const VocabIndex& index,
                                           const std::string& origin) {
  bpe_.Reserve(spec.merges.size());
  std::string merged;
  for (size_t rank = 0; rank < spec.merges.size(); ++rank) {
    const auto& [left, right] = spec.merges[rank];
    merged = left + right;
    TokenId ids[3];
    const std::string_view parts[3] = {left, right, merged};
    for (int i = 0; i < 3; ++i) {
      auto it = index.find(parts[i]);
      if (it == index.end()) {
        return InvalidArgument("{}: merges[{}]: {} + {}: token {} is not in the vocabulary", origin,
                               rank, left, right, parts[i]);
      }
      ids[i] = it->second;
    }
    if (!bpe_.AddMerge(ids[0], ids[1], static_cast<int32_t>(rank), ids[2])) {
      return InvalidArgument("{}: merges[{}]: {} + {} occurs twice", origin, rank, left, right);
    }
  }
  return absl::OkStatus();
}

absl::Status ByteLevelTokenizer::AddLiterals(const TokenizerSpec& spec, const VocabIndex& index,
                                             const std::string& origin) {
  std::unordered_map<std::string_view, TokenId> seen;
  for (const TokenizerSpec::Added& added : spec.added) {
    auto [first, inserted] = seen.emplace(added.content, added.id);
    if (!inserted)
      return InvalidArgument("{}: added_tokens: {} occurs twice", origin, added.content);
    auto in_vocab = index.find(added.content);
    Token& token = Slot(added.id);
    if (in_vocab != index.end() ? in_vocab->second != added.id : token.used) {
      return InvalidArgument(
          "{}: added_tokens: {} has id {}, which contradicts the vocabulary or another added token",
          origin, added.content, added.id);
    }
    token = {added.content, true, token.in_vocab, added.special};
    // Literals of the second pass are matched in normalised text, so they are normalised too.
    if (added.normalized && nfc_) {
      ASSIGN_OR_RETURN(std::string content, NormalizeNfc(added.content));
      second_.Add(content, added.id);
    } else {
      (added.normalized ? second_ : first_).Add(added.content, added.id);
    }
  }
  return absl::OkStatus();
}

absl::Status ByteLevelTokenizer::Init(TokenizerSpec spec, const std::string& origin) {
  VocabIndex index;
  nfc_ = spec.nfc;
  RETURN_IF_ERROR(AddVocab(spec, index, origin));
  RETURN_IF_ERROR(AddMerges(spec, index, origin));
  RETURN_IF_ERROR(AddLiterals(spec, index, origin));
  ASSIGN_OR_RETURN(pre_tokenizer_, PreTokenizer::Create(spec.split_patterns, origin));
  ids_.reserve(tokens_.size());
  for (size_t id = 0; id < tokens_.size(); ++id) {
    if (tokens_[id].used) ids_.emplace(tokens_[id].bytes, static_cast<TokenId>(id));
  }
  if (spec.ignore_merges) {
    for (size_t id = 0; id < tokens_.size(); ++id) {
      if (tokens_[id].in_vocab) whole_.emplace(tokens_[id].bytes, static_cast<TokenId>(id));
    }
  }
  // A literal wins over an ordinary token of the same bytes, as it does in the text.
  for (const TokenizerSpec::Added& added : spec.added) ids_[tokens_[added.id].bytes] = added.id;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<TokenId>> ByteLevelTokenizer::Encode(std::string_view text) const {
  if (std::optional<size_t> bad = FirstInvalidUtf8(text)) {
    return InvalidArgument("the text of {} bytes is not UTF-8 at byte {}", text.size(), *bad);
  }
  std::vector<TokenId> ids;
  std::vector<Segment> raw, segments;
  std::deque<std::string> normalised;  // what the segments view
  first_.Split(text, raw);
  for (const Segment& segment : raw) {
    if (segment.id >= 0) {
      segments.push_back(segment);
    } else if (nfc_) {
      ASSIGN_OR_RETURN(std::string composed, NormalizeNfc(segment.text));
      second_.Split(normalised.emplace_back(std::move(composed)), segments);
    } else {
      second_.Split(segment.text, segments);
    }
  }
  std::vector<std::string_view> pieces;
  for (const Segment& segment : segments) {
    if (segment.id >= 0) {
      ids.push_back(segment.id);
      continue;
    }
    RETURN_IF_ERROR(pre_tokenizer_->Split(segment.text, pieces));
    for (std::string_view piece : pieces) {
      const auto whole = whole_.find(piece);
      if (whole != whole_.end()) {
        ids.push_back(whole->second);
      } else {
        bpe_.Encode(piece, ids);
      }
    }
  }
  return ids;
}

absl::StatusOr<std::string> ByteLevelTokenizer::Decode(std::span<const TokenId> ids,
                                                       bool skip_special) const {
  std::string bytes;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (!InRange(ids[i]) || !tokens_[ids[i]].used) {
      return InvalidArgument("ids[{}] is {}; the vocabulary has no such token (ids below {})", i,
                             ids[i], VocabSize());
    }
    const Token& token = tokens_[ids[i]];
    if (!(skip_special && token.special)) bytes += token.bytes;
  }
  std::string text;
  text.reserve(bytes.size());
  AppendLossyUtf8(bytes, true, text);
  return text;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Parse(std::string_view json,
                                                            const std::string& origin) {
  ASSIGN_OR_RETURN(TokenizerSpec spec, ParseTokenizerJson(json, origin));
  auto tokenizer = std::make_unique<ByteLevelTokenizer>();
  RETURN_IF_ERROR(tokenizer->Init(std::move(spec), origin));
  return std::unique_ptr<Tokenizer>(std::move(tokenizer));
}

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Load(const std::string& dir) {
  const std::string path = dir + "/tokenizer.json";
  ASSIGN_OR_RETURN(std::string text, ReadFile(path, kMaxFileBytes));
  return Parse(text, path);
}

}  // namespace conclave
