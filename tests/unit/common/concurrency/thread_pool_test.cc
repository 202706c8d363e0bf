#include "common/concurrency/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace conclave {
namespace {

class Pools : public testing::TestWithParam<std::pair<int, int>> {};

TEST_P(Pools, EveryTaskRunsOnce) {
  ThreadPool pool(GetParam().first, GetParam().second);
  EXPECT_EQ(pool.threads(), GetParam().first);
  for (int tasks : {0, 1, 2, 3, 17, 1000}) {
    std::vector<std::atomic<int>> runs(tasks);
    pool.Run(tasks, [&](int task) { ++runs[task]; });
    for (int i = 0; i < tasks; ++i) EXPECT_EQ(runs[i], 1) << i << " of " << tasks;
  }
}

TEST_P(Pools, ResultsAreVisibleToTheCallerWithoutSynchronisation) {
  ThreadPool pool(GetParam().first, GetParam().second);
  std::vector<int> values(64);
  for (int round = 1; round <= 200; ++round) {
    pool.Run(64, [&](int task) { values[task] += task; });
    for (int i = 0; i < 64; ++i) ASSERT_EQ(values[i], i * round);
  }
}

TEST_P(Pools, CallersTakeTurns) {
  ThreadPool pool(GetParam().first, GetParam().second);
  std::atomic<int> at_work[3] = {};
  std::atomic<int> total{0}, mixed{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 3; ++c) {
    callers.emplace_back([&, c] {
      for (int round = 0; round < 50; ++round) {
        pool.Run(8, [&](int) {
          ++at_work[c];
          mixed += at_work[(c + 1) % 3] + at_work[(c + 2) % 3];
          ++total;
          --at_work[c];
        });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(total, 3 * 50 * 8);
  EXPECT_EQ(mixed, 0);  // no task ever saw a task of another caller
}

INSTANTIATE_TEST_SUITE_P(All, Pools,
                         testing::Values(std::pair{1, 0}, std::pair{2, 0}, std::pair{4, 0},
                                         std::pair{2, 50},
                                         std::pair{3, ThreadPool::kDefaultSpinUs}));

TEST(ThreadPool, SeveralThreadsTakePart) {
  ThreadPool pool(3);
  std::mutex mu;
  std::set<std::thread::id> seen;
  std::atomic<int> arrived{0};
  // Two tasks that wait for each other end only when two threads run them.
  pool.Run(2, [&](int) {
    ++arrived;
    while (arrived < 2) std::this_thread::yield();
    std::lock_guard<std::mutex> lock(mu);
    seen.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(seen.size(), 2u);
}

TEST(ThreadPool, EndsWhileIdleAndWithoutAnyRun) {
  for (int i = 0; i < 50; ++i) ThreadPool pool(4, i % 2 ? 0 : 100);
}

}  // namespace
}  // namespace conclave
