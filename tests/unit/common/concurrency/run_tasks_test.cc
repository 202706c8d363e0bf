#include "common/concurrency/run_tasks.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

namespace conclave {
namespace {

TEST(RunTasks, EachOnce) {
  for (int threads : {0, 1, 2, 7}) {
    for (int count : {0, 1, 5, 100}) {
      std::vector<std::atomic<int>> calls(count);
      EXPECT_TRUE(RunTasks(threads, count, [&](int task) {
                    ++calls[task];
                    return absl::OkStatus();
                  }).ok());
      for (int task = 0; task < count; ++task) EXPECT_EQ(calls[task], 1) << threads << ", " << task;
    }
  }
}

// Three tasks that wait for each other need three threads at once.
TEST(RunTasks, OnAllThreads) {
  std::mutex mu;
  std::condition_variable all_here;
  std::set<std::thread::id> threads;
  const absl::Status status = RunTasks(3, 3, [&](int) {
    std::unique_lock lock(mu);
    threads.insert(std::this_thread::get_id());
    all_here.notify_all();
    all_here.wait(lock, [&] { return threads.size() == 3; });
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(threads.count(std::this_thread::get_id()), 1u);
}

// Task 7 fails at once, task 3 only after it has: the answer is task 3's, as of a plain loop.
TEST(RunTasks, TheFirstFailureByNumber) {
  std::mutex mu;
  std::condition_variable changed;
  bool seven = false;
  std::atomic<int> started{0};
  const absl::Status status = RunTasks(8, 1000, [&](int task) -> absl::Status {
    ++started;
    if (task == 3) {
      std::unique_lock lock(mu);
      changed.wait(lock, [&] { return seven; });
      return InvalidArgument("task {}", task);
    }
    if (task != 7) return absl::OkStatus();
    std::lock_guard lock(mu);
    seven = true;
    changed.notify_all();
    return InvalidArgument("task {}", task);
  });
  EXPECT_EQ(status.message(), "task 3");
}

TEST(RunTasks, NoneIsStartedAfterAFailure) {
  int started = 0;
  const absl::Status status = RunTasks(1, 10, [&](int task) {
    ++started;
    return task == 4 ? InvalidArgument("task {}", task) : absl::OkStatus();
  });
  EXPECT_EQ(status.message(), "task 4");
  EXPECT_EQ(started, 5);
}

}  // namespace
}  // namespace conclave
