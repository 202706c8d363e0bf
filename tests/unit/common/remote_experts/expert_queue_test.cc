#include "common/remote_experts/expert_queue.h"

#include <gtest/gtest.h>

#include <thread>

namespace conclave {
namespace {

ExpertJob Job(uint32_t layer, size_t picks, uint64_t call, uint32_t hidden = 8) {
  ExpertJob job;
  job.header.layer = layer;
  job.header.hidden = hidden;
  job.header.call = call;
  job.picks.resize(picks);
  return job;
}

std::vector<uint64_t> Calls(const std::vector<ExpertJob>& batch) {
  std::vector<uint64_t> calls;
  for (const ExpertJob& job : batch) calls.push_back(job.header.call);
  return calls;
}

TEST(ExpertQueueTest, TheOldestJobsLayerGoesFirstAndTakesItsLikeAlong) {
  ExpertQueue queue(1000, 100);
  ASSERT_TRUE(queue.Push(Job(3, 10, 1)));
  ASSERT_TRUE(queue.Push(Job(1, 10, 2)));
  ASSERT_TRUE(queue.Push(Job(3, 10, 3)));
  ASSERT_TRUE(queue.Push(Job(3, 10, 4, 16)));  // another width never mixes
  EXPECT_EQ(queue.queued_picks(), 40);
  EXPECT_EQ(Calls(queue.PopBatch()), (std::vector<uint64_t>{1, 3}));
  EXPECT_EQ(Calls(queue.PopBatch()), (std::vector<uint64_t>{2}));
  EXPECT_EQ(Calls(queue.PopBatch()), (std::vector<uint64_t>{4}));
  EXPECT_EQ(queue.queued_picks(), 0);
}

TEST(ExpertQueueTest, BatchesAndTheQueueAreBounded) {
  ExpertQueue queue(50, 25);
  EXPECT_TRUE(queue.Push(Job(1, 20, 1)));
  EXPECT_TRUE(queue.Push(Job(1, 20, 2)));
  EXPECT_FALSE(queue.Push(Job(1, 20, 3)));
  EXPECT_TRUE(queue.Push(Job(1, 5, 4)));
  EXPECT_EQ(Calls(queue.PopBatch()), (std::vector<uint64_t>{1}));
  EXPECT_EQ(Calls(queue.PopBatch()), (std::vector<uint64_t>{2, 4}));
  EXPECT_TRUE(queue.Push(Job(1, 60, 5)));  // alone it fits, whatever its size
  EXPECT_EQ(Calls(queue.PopBatch()), (std::vector<uint64_t>{5}));
}

TEST(ExpertQueueTest, StopEndsAWaitingPop) {
  ExpertQueue queue(50, 25);
  std::thread popper([&] { EXPECT_TRUE(queue.PopBatch().empty()); });
  queue.Stop();
  popper.join();
  EXPECT_FALSE(queue.Push(Job(1, 1, 1)));
}

}  // namespace
}  // namespace conclave
