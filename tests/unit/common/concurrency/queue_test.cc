#include "common/concurrency/queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace conclave {
namespace {

SteadyTime Soon() { return After(std::chrono::milliseconds(30'000)); }

TEST(Queue, FirstInFirstOutUpToItsCapacity) {
  Queue<int> queue(2);
  EXPECT_TRUE(queue.TryPush(1));
  EXPECT_TRUE(queue.TryPush(2));
  EXPECT_FALSE(queue.TryPush(3));
  EXPECT_FALSE(queue.Push(3, Now()));
  EXPECT_EQ(queue.Pop(Soon()), 1);
  EXPECT_EQ(queue.TryPop(), 2);
  EXPECT_EQ(queue.TryPop(), std::nullopt);
  EXPECT_EQ(queue.Pop(Now()), std::nullopt);
}

TEST(Queue, RefusedItemsStayWithTheCaller) {
  Queue<std::unique_ptr<int>> queue(1);
  EXPECT_TRUE(queue.TryPush(std::make_unique<int>(1)));
  auto item = std::make_unique<int>(2);
  EXPECT_FALSE(queue.TryPush(std::move(item)));
  ASSERT_NE(item, nullptr);
  EXPECT_EQ(*item, 2);
}

TEST(Queue, CloseDrainsAndWakes) {
  Queue<int> queue(4);
  EXPECT_TRUE(queue.TryPush(1));
  std::thread waiter([&] {
    EXPECT_EQ(queue.Pop(), 1);
    EXPECT_EQ(queue.Pop(), std::nullopt);  // ends with Close
  });
  queue.Close();
  waiter.join();
  EXPECT_FALSE(queue.TryPush(2));
  EXPECT_FALSE(queue.Push(2, Soon()));
  EXPECT_TRUE(queue.closed());
}

TEST(Queue, ManyProducersAndConsumersLoseNothing) {
  constexpr int kEach = 2000, kThreads = 3;
  Queue<int> queue(7);
  std::atomic<int64_t> sum{0};
  std::vector<std::thread> producers, consumers;
  for (int t = 0; t < kThreads; ++t) {
    producers.emplace_back([&] {
      for (int i = 1; i <= kEach; ++i) EXPECT_TRUE(queue.Push(int{i}, Soon()));
    });
    consumers.emplace_back([&] {
      while (const std::optional<int> item = queue.Pop()) sum += *item;
    });
  }
  for (std::thread& t : producers) t.join();
  queue.Close();
  for (std::thread& t : consumers) t.join();
  EXPECT_EQ(sum, int64_t{kThreads} * kEach * (kEach + 1) / 2);
}

}  // namespace
}  // namespace conclave
