// Threads for data-parallel loops inside one step.
#pragma once

#include <functional>
#include <memory>

namespace conclave {

// Thread-safe: Run is serialised between callers. Run is not reentrant: a body must not call it.
// Idle threads sleep; between two Runs of one step they may spin before sleeping.
class ThreadPool {
 public:
  // Spins where the machine has more cores than the pool has threads, never else.
  static constexpr int kSpinAuto = -1;

  // `threads` >= 1 counts the caller: 1 means no extra thread. `spin_us` bounds how long an idle
  // thread polls for the next Run before it sleeps; 0 sleeps at once.
  explicit ThreadPool(int threads, int spin_us = kSpinAuto);
  ~ThreadPool();
  int threads() const;

  // Calls body(task) for task = 0 .. tasks - 1, each once, on the pool and on the caller; returns
  // when all are done. Which thread runs which task is unspecified: results must not depend on it.
  void Run(int tasks, const std::function<void(int task)>& body);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace conclave
