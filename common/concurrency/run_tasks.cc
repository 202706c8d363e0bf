#include "common/concurrency/run_tasks.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "common/base/mutex.h"

namespace conclave {

absl::Status RunTasks(int threads, int count, const std::function<absl::Status(int task)>& task) {
  if (threads <= 0) threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  Mutex mu;
  absl::Status failure;
  int failed_at = count;
  std::atomic<int> next{0};
  std::atomic<bool> failed{false};
  const auto work = [&] {
    while (!failed) {
      const int number = next.fetch_add(1);
      if (number >= count) return;
      absl::Status status = task(number);
      if (status.ok()) continue;
      MutexLock lock(mu);
      failed = true;
      if (number > failed_at) continue;
      failed_at = number;
      failure = std::move(status);
    }
  };
  std::vector<std::jthread> others;
  for (int i = 1; i < std::min(threads, count); ++i) others.emplace_back(work);
  work();
  others.clear();  // joins
  return failure;
}

}  // namespace conclave
