#include "common/model/added_tokens.h"

namespace conclave {

void AddedTokenSet::Add(std::string_view content, TokenId id) {
  uint32_t node = 0;
  for (char byte : content) {
    auto [it, inserted] =
        edges_.try_emplace(Edge(node, byte), static_cast<uint32_t>(token_at_.size()));
    if (inserted) token_at_.push_back(-1);
    node = it->second;
  }
  token_at_[node] = id;
  starts_[static_cast<uint8_t>(content.front())] = true;
}

void AddedTokenSet::Split(std::string_view text, std::vector<Segment>& out) const {
  size_t plain = 0;
  for (size_t at = 0; at < text.size();) {
    if (!starts_[static_cast<uint8_t>(text[at])]) {
      ++at;
      continue;
    }
    TokenId found = -1;
    size_t found_end = 0;
    uint32_t node = 0;
    for (size_t i = at; i < text.size(); ++i) {
      auto it = edges_.find(Edge(node, text[i]));
      if (it == edges_.end()) break;
      node = it->second;
      if (token_at_[node] >= 0) {
        found = token_at_[node];
        found_end = i + 1;
      }
    }
    if (found < 0) {
      ++at;
      continue;
    }
    if (at > plain) out.push_back({text.substr(plain, at - plain), -1});
    out.push_back({text.substr(at, found_end - at), found});
    plain = at = found_end;
  }
  if (plain < text.size()) out.push_back({text.substr(plain), -1});
}

}  // namespace conclave
