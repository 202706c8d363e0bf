// Runs a function again and again on a thread of its own.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

#include "common/base/mutex.h"

namespace conclave {

// Thread-safe. The first run comes one period after the start; the period counts from the end of
// one run to the start of the next, so that a slow function never piles up.
class Periodic {
 public:
  Periodic(std::chrono::milliseconds period, std::function<void()> function);
  ~Periodic();  // as Stop
  Periodic(const Periodic&) = delete;
  Periodic& operator=(const Periodic&) = delete;

  // Runs it soon instead of waiting for the period; requests before that run are one.
  void Trigger();
  // Waits for the function when it runs, not for the period. No run after it returned. Idempotent;
  // not from inside the function.
  void Stop();

 private:
  void Run();

  const std::chrono::milliseconds period_;
  const std::function<void()> function_;
  Mutex mu_;
  CondVar changed_;
  bool triggered_ GUARDED_BY(mu_) = false;
  bool stop_ GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace conclave
