// A few threads for short blocking work (waiting for a hand-off), so that neither gRPC's threads
// nor a step's thread ever wait. The number of tasks is bounded by the requests that a worker
// admits.
#pragma once

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "common/base/mutex.h"

namespace conclave {

// Thread-safe.
class TaskThreads {
 public:
  explicit TaskThreads(int threads);
  ~TaskThreads();  // Stop
  TaskThreads(const TaskThreads&) = delete;

  // Tasks start in order. After Stop they run on the caller's thread: no task is ever lost.
  void Add(std::function<void()> task);
  // Runs what was added, then ends the threads. Idempotent.
  void Stop();

 private:
  void Loop();
  Mutex mu_;
  CondVar changed_;
  std::deque<std::function<void()>> tasks_ GUARDED_BY(mu_);
  bool stopping_ GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace conclave
