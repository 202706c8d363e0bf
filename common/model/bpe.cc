#include "common/model/bpe.h"

#include <algorithm>
#include <queue>

namespace conclave {
namespace {

// Up to here scanning all pairs for the lowest rank is cheaper than keeping a heap.
constexpr size_t kShortBytes = 48;

}  // namespace

void Bpe::Encode(std::string_view bytes, std::vector<TokenId>& out) const {
  if (bytes.size() <= kShortBytes) {
    EncodeShort(bytes, out);
  } else {
    EncodeLong(bytes, out);
  }
}

void Bpe::EncodeShort(std::string_view bytes, std::vector<TokenId>& out) const {
  TokenId ids[kShortBytes];
  Merge pair[kShortBytes];  // pair[i]: merge of ids[i] and ids[i + 1]
  size_t count = bytes.size();
  for (size_t i = 0; i < count; ++i) ids[i] = byte_id_[static_cast<uint8_t>(bytes[i])];
  for (size_t i = 0; i + 1 < count; ++i) pair[i] = Find(ids[i], ids[i + 1]);
  while (count > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < count; ++i) {
      if (pair[i].rank < pair[best].rank) best = i;
    }
    if (pair[best].rank == kNoRank) break;
    ids[best] = pair[best].merged;
    std::copy(ids + best + 2, ids + count, ids + best + 1);
    std::copy(pair + best + 1, pair + count - 1, pair + best);
    --count;
    if (best > 0) pair[best - 1] = Find(ids[best - 1], ids[best]);
    if (best + 1 < count) pair[best] = Find(ids[best], ids[best + 1]);
  }
  out.insert(out.end(), ids, ids + count);
}

void Bpe::EncodeLong(std::string_view bytes, std::vector<TokenId>& out) const {
  // A doubly linked list over positions; a merge keeps the left position and removes the right one.
  struct Node {
    TokenId id;
    int32_t rank;  // of the pair that begins here, kNoRank also for a removed node
    TokenId merged;
    size_t previous, next;
  };
  const size_t end = bytes.size();
  std::vector<Node> nodes(end);
  using Candidate = std::pair<int32_t, size_t>;  // rank, position: lowest rank first, then leftmost
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> heap;
  const auto look = [&](size_t at) {
    Node& node = nodes[at];
    Merge merge = node.next < end ? Find(node.id, nodes[node.next].id) : Merge{};
    node.rank = merge.rank;
    node.merged = merge.merged;
    if (merge.rank != kNoRank) heap.emplace(merge.rank, at);
  };
  for (size_t i = 0; i < end; ++i) {
    nodes[i] = {byte_id_[static_cast<uint8_t>(bytes[i])], kNoRank, -1, i == 0 ? end : i - 1, i + 1};
  }
  for (size_t i = 0; i < end; ++i) look(i);
  while (!heap.empty()) {
    auto [rank, at] = heap.top();
    heap.pop();
    Node& left = nodes[at];
    if (left.rank != rank) continue;  // the pair has changed since; ranks are unique
    Node& right = nodes[left.next];
    left.id = left.merged;
    left.next = right.next;
    if (right.next < end) nodes[right.next].previous = at;
    right.rank = kNoRank;
    look(at);
    if (left.previous < end) look(left.previous);
  }
  for (size_t at = 0; at < end; at = nodes[at].next) out.push_back(nodes[at].id);
}

}  // namespace conclave
