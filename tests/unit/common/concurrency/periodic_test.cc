#include "common/concurrency/periodic.h"

#include <gtest/gtest.h>

#include <optional>

#include "common/base/clock.h"
#include "common/concurrency/queue.h"

namespace conclave {
namespace {

SteadyTime Soon() { return After(std::chrono::milliseconds(30'000)); }

TEST(Periodic, RunsAgainAndAgain) {
  Queue<int> runs(1000);
  Periodic periodic(std::chrono::milliseconds(1), [&] { runs.TryPush(1); });
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(runs.Pop(Soon()).has_value());
}

TEST(Periodic, TriggerDoesNotWaitForThePeriod) {
  Queue<int> runs(1000);
  Periodic periodic(std::chrono::hours(1), [&] { runs.TryPush(1); });
  periodic.Trigger();
  EXPECT_TRUE(runs.Pop(Soon()).has_value());
}

TEST(Periodic, StopEndsAWaitOfAnyLength) {
  Queue<int> runs(1000);
  Periodic periodic(std::chrono::hours(1), [&] { runs.TryPush(1); });
  periodic.Stop();
  periodic.Trigger();
  periodic.Stop();
  EXPECT_EQ(runs.size(), 0u);
}

}  // namespace
}  // namespace conclave
