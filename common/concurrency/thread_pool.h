// Threads for data-parallel loops inside one step.
#pragma once

#include <functional>
#include <memory>

namespace conclave {

// Thread-safe: Run is serialised between callers. Run is not reentrant: a body must not call it.
//
// A step is a few hundred Runs with microseconds between them, so threads spin for a moment before
// they sleep. Spinning that the scheduler interrupted means that the cores are shared; then the
// pool stops spinning for a while, and sleeps at once.
class ThreadPool {
 public:
  static constexpr int kDefaultSpinUs = 100;

  // `threads` >= 1 counts the caller: 1 means no extra thread. `spin_us` bounds how long an idle
  // thread polls for the next Run before it sleeps; 0 sleeps at once.
  explicit ThreadPool(int threads, int spin_us = kDefaultSpinUs);
  ~ThreadPool();
  int threads() const;

  // Calls body(task) for task = 0 .. tasks - 1, each once, on the pool and on the caller; returns
  // when all are done. Tasks are started in order; which thread runs which task is unspecified:
  // results must not depend on it. At most 2^20 - 1 tasks.
  void Run(int tasks, const std::function<void(int task)>& body);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace conclave
