#include "common/model/bpe.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace conclave {
namespace {

// Merges of random tokens, and an encoder that follows the definition word by word.
struct World {
  Bpe bpe;
  std::map<std::pair<TokenId, TokenId>, std::pair<int, TokenId>> merges;

  explicit World(uint32_t seed) {
    std::mt19937 random(seed);
    std::vector<TokenId> tokens;
    for (int i = 0; i < 4; ++i) {
      bpe.SetByte(static_cast<uint8_t>('a' + i), i);
      tokens.push_back(i);
    }
    for (int rank = 0; rank < 60; ++rank) {
      TokenId left = tokens[random() % tokens.size()], right = tokens[random() % tokens.size()];
      TokenId merged = static_cast<TokenId>(tokens.size());
      bool added = bpe.AddMerge(left, right, rank, merged);
      EXPECT_EQ(added, merges.emplace(std::pair(left, right), std::pair(rank, merged)).second);
      if (added) tokens.push_back(merged);
    }
  }

  std::vector<TokenId> Plain(std::string_view text) const {
    std::vector<TokenId> ids;
    for (char c : text) ids.push_back(c - 'a');
    for (;;) {
      int best_rank = INT32_MAX;
      size_t best = 0;
      for (size_t i = 0; i + 1 < ids.size(); ++i) {
        auto it = merges.find({ids[i], ids[i + 1]});
        if (it != merges.end() && it->second.first < best_rank) {
          best_rank = it->second.first;
          best = i;
        }
      }
      if (best_rank == INT32_MAX) return ids;
      ids[best] = merges.at({ids[best], ids[best + 1]}).second;
      ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    }
  }
};

// Lengths on both sides of the border between the two algorithms.
TEST(Bpe, ShortAndLongPiecesFollowTheDefinition) {
  std::mt19937 random(3);
  for (uint32_t seed = 0; seed < 20; ++seed) {
    World world(seed);
    for (size_t length : {0, 1, 2, 3, 7, 47, 48, 49, 50, 200}) {
      for (int round = 0; round < 10; ++round) {
        std::string text;
        const int letters =
            1 + static_cast<int>(random() % 4);  // few letters: long runs and many ties
        for (size_t i = 0; i < length; ++i) text += static_cast<char>('a' + random() % letters);
        std::vector<TokenId> ids = {77};  // what is there stays
        world.bpe.Encode(text, ids);
        std::vector<TokenId> want = world.Plain(text);
        want.insert(want.begin(), 77);
        ASSERT_EQ(ids, want) << "seed " << seed << ", text " << text;
      }
    }
  }
}

}  // namespace
}  // namespace conclave
