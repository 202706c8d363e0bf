#include "common/scheduling/continuous_batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace conclave {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(PlanStep, RunningSequencesComeFirstThenChunksInOrder) {
  const StepPlan plan = PlanStep({1, 2}, {{10, 5}, {11, 100}, {12, 3}}, {20, 64, 8});
  EXPECT_THAT(plan.decode, ElementsAre(1, 2));
  EXPECT_THAT(plan.chunks,
              ElementsAre(PlannedChunk{10, 5}, PlannedChunk{11, 8}, PlannedChunk{12, 3}));
  EXPECT_EQ(plan.rows, 18);
}

TEST(PlanStep, TheLastChunkGetsWhatIsLeft) {
  const StepPlan plan = PlanStep({1}, {{10, 5}, {11, 100}, {12, 3}}, {10, 64, 8});
  EXPECT_THAT(plan.chunks, ElementsAre(PlannedChunk{10, 5}, PlannedChunk{11, 4}));
  EXPECT_EQ(plan.rows, 10);
}

TEST(PlanStep, SequencesAreLimitedToo) {
  const StepPlan plan = PlanStep({1, 2, 3}, {{10, 5}, {11, 5}}, {100, 4, 8});
  EXPECT_THAT(plan.decode, ElementsAre(1, 2, 3));
  EXPECT_THAT(plan.chunks, ElementsAre(PlannedChunk{10, 5}));
  EXPECT_THAT(PlanStep({1, 2, 3}, {{10, 5}}, {2, 64, 8}).decode, ElementsAre(1, 2));
}

TEST(PlanStep, FinishedWorkIsSkippedAndNothingMeansEmpty) {
  EXPECT_THAT(PlanStep({}, {{10, 0}, {11, 2}}, {}).chunks, ElementsAre(PlannedChunk{11, 2}));
  EXPECT_TRUE(PlanStep({}, {}, {}).empty());
  EXPECT_TRUE(PlanStep({1}, {{2, 3}}, {0, 64, 8}).empty());
}

TEST(PlanStep, RandomWorkIsAllDoneWithinTheLimits) {
  std::mt19937 random(1);
  const auto pick = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  for (int round = 0; round < 100; ++round) {
    const BatchLimits limits{pick(1, 50), pick(1, 10), pick(1, 20)};
    std::vector<ChunkedWork> waiting;
    int total = 0;
    for (int i = 0; i < 12; ++i) {
      waiting.push_back({static_cast<uint64_t>(i), pick(1, 60)});
      total += waiting.back().remaining_tokens;
    }
    uint64_t done_before = 0;  // prompts finish in order, up to those that share a step
    while (total > 0) {
      const StepPlan plan = PlanStep({}, waiting, limits);
      ASSERT_FALSE(plan.empty());
      ASSERT_LE(plan.rows, limits.max_rows);
      ASSERT_LE(plan.chunks.size(), static_cast<size_t>(limits.max_sequences));
      ASSERT_EQ(plan.chunks[0].id, done_before);
      for (const PlannedChunk& chunk : plan.chunks) {
        ASSERT_GE(chunk.tokens, 1);
        ASSERT_LE(chunk.tokens, limits.max_chunk_tokens);
        waiting[chunk.id].remaining_tokens -= chunk.tokens;
        total -= chunk.tokens;
      }
      while (done_before < 12 && waiting[done_before].remaining_tokens == 0) ++done_before;
    }
    EXPECT_EQ(total, 0);
  }
}

}  // namespace
}  // namespace conclave
