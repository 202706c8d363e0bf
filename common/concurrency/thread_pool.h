// Threads for data-parallel loops inside one step.
#pragma once

#include <functional>
#include <memory>

namespace conclave {

// Run is not reentrant and is serialised between callers. Idle threads sleep; inside a step they may spin
// for a few microseconds before sleeping when the machine has a core for each of them.
class ThreadPool {
 public:
  // `threads` >= 1 counts the caller: 1 means no extra thread.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  int threads() const;

  // Calls body(task) for task = 0 .. tasks - 1, each once, on the pool and on the caller; returns when all
  // are done. Which thread runs which task is unspecified: results must not depend on it.
  void Run(int tasks, const std::function<void(int task)>& body);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace conclave
