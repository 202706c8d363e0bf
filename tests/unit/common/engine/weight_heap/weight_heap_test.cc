#include "common/engine/weight_heap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

namespace conclave {
namespace {

constexpr int64_t kHugePage = 2 << 20;

// A block filled with a pattern of its own; up to the next 64 bytes the memory belongs to it too.
struct Block {
  uint8_t* data = nullptr;
  int64_t bytes = 0;
  uint8_t pattern = 0;
};

bool Holds(const uint8_t* data, int64_t bytes, uint8_t value) {
  return bytes == 0 ||
         (data[0] == value && std::memcmp(data, data + 1, static_cast<size_t>(bytes - 1)) == 0);
}

Block Take(int64_t bytes, uint8_t pattern) {
  const Block block{WeightHeap::Get().Allocate(bytes), bytes, pattern};
  EXPECT_NE(block.data, nullptr);
  if (block.data == nullptr) return {};
  EXPECT_EQ(reinterpret_cast<uintptr_t>(block.data) % 64, 0u);
  EXPECT_TRUE(Holds(block.data, bytes, 0)) << bytes << " bytes are not zeroed";
  std::memset(block.data, pattern, bytes);
  return block;
}

void Give(const Block& block) {
  EXPECT_TRUE(Holds(block.data, block.bytes, block.pattern)) << "another block's bytes";
  WeightHeap::Get().Free(block.data, block.bytes);
}

TEST(WeightHeap, ReusedMemoryIsZeroedAndNeighboursStay) {
  for (const int64_t bytes : {int64_t{1}, int64_t{100}, int64_t{70000}, kHugePage - 64, kHugePage,
                              3 * kHugePage + 12345}) {
    const Block before = Take(1000, 1), middle = Take(bytes, 2), after = Take(77, 3);
    Give(middle);
    // What is free is taken in pieces until one lies in the same place.
    std::vector<Block> taken;
    bool reused = false;
    while (!reused && taken.size() < 1000) {
      taken.push_back(Take(bytes, 4));
      reused = taken.back().data < middle.data + bytes && middle.data < taken.back().data + bytes;
    }
    EXPECT_TRUE(reused) << bytes << " bytes are never taken again";
    Give(before);
    Give(after);
    for (const Block& block : taken) Give(block);
  }
}

// What whole huge pages are given back of must be the freed block's alone, wherever it begins.
TEST(WeightHeap, GivingHugePagesBackSparesWhatSharesThem) {
  std::vector<Block> blocks;
  for (int i = 0; i < 9; ++i) blocks.push_back(Take(kHugePage - 4096 + 1500 * i, 10 + i));
  for (int i = 1; i < 9; i += 2) Give(blocks[i]);
  for (int i = 0; i < 9; i += 2)
    EXPECT_TRUE(Holds(blocks[i].data, blocks[i].bytes, blocks[i].pattern)) << i;
  for (int i = 1; i < 9; i += 2) blocks[i] = Take(blocks[i].bytes, 30 + i);
  for (const Block& block : blocks) Give(block);
}

// Neighbours become one block whichever is freed first: afterwards their sum fits where they were.
TEST(WeightHeap, FreedNeighboursBecomeOneBlock) {
  std::vector<int> order = {0, 1, 2};
  do {
    const Block fence = Take(64, 1);
    Block parts[3];
    for (int i = 0; i < 3; ++i) parts[i] = Take(kHugePage + 64 * i, 2 + i);
    const Block end = Take(64, 5);
    ASSERT_EQ(parts[1].data, parts[0].data + kHugePage);
    ASSERT_EQ(parts[2].data, parts[1].data + kHugePage + 64);
    for (int i : order) Give(parts[i]);
    const Block whole = Take(3 * kHugePage + 192, 6);
    EXPECT_EQ(whole.data, parts[0].data) << order[0] << order[1] << order[2];
    Give(fence);
    Give(end);
    Give(whole);
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(WeightHeap, RandomOrdersKeepEveryBlockWhole) {
  std::mt19937 random(1);
  std::vector<Block> blocks;
  uint8_t* lowest = nullptr;
  uint8_t* highest = nullptr;
  int64_t most = 0, held = 0;
  for (int step = 0; step < 3000; ++step) {
    if (blocks.empty() || (blocks.size() < 60 && random() % 2 == 0)) {
      const int64_t bytes = 1 + random() % (random() % 8 == 0 ? 3 * kHugePage : 200000);
      blocks.push_back(Take(bytes, static_cast<uint8_t>(1 + random() % 255)));
      held += bytes;
      most = std::max(most, held);
      const Block& b = blocks.back();
      lowest = lowest == nullptr ? b.data : std::min(lowest, b.data);
      highest = std::max(highest, b.data + b.bytes);
    } else {
      const size_t i = random() % blocks.size();
      held -= blocks[i].bytes;
      Give(blocks[i]);
      blocks[i] = blocks.back();
      blocks.pop_back();
    }
  }
  // Freed memory is used again rather than the heap growing with every block.
  EXPECT_LT(highest - lowest, 3 * most);
  for (const Block& block : blocks) Give(block);
  // All of it is one piece again: the heap of this process is otherwise empty.
  const Block whole = Take(highest - lowest, 1);
  EXPECT_LE(whole.data, lowest);
  Give(whole);
}

TEST(WeightHeap, ThreadsShareIt) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      std::mt19937 random(t);
      std::vector<Block> blocks;
      for (int step = 0; step < 300; ++step) {
        blocks.push_back(Take(1 + random() % 100000, static_cast<uint8_t>(16 * t + 1 + step % 15)));
        if (blocks.size() < 8) continue;
        const size_t i = random() % blocks.size();
        Give(blocks[i]);
        blocks.erase(blocks.begin() + static_cast<int64_t>(i));
      }
      for (const Block& block : blocks) Give(block);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(WeightHeap, TooMuchIsRefusedAndHarmsNothing) {
  const Block block = Take(1000, 1);
  EXPECT_EQ(WeightHeap::Get().Allocate(int64_t{1} << 45), nullptr);
  const Block other = Take(2000, 2);
  Give(block);
  Give(other);
}

}  // namespace
}  // namespace conclave
