// A thread that runs one job whenever it is triggered or due. Sleeps otherwise.
#pragma once

#include <functional>
#include <thread>

#include "common/base/clock.h"
#include "common/base/mutex.h"

namespace conclave {

class JobThread {
 public:
  // `run` returns when it wants to run again without being triggered (SteadyTime::max() = not by
  // itself).
  explicit JobThread(std::function<SteadyTime()> run) : run_(std::move(run)) {}
  ~JobThread();  // Stop
  JobThread(const JobThread&) = delete;

  // First run at once. Called once.
  void Start();
  // Runs the job soon; triggers during a run cause one more run. Thread-safe, does not block.
  void Trigger();
  // After it returned the job does not run any more. Waits for a run in progress. Idempotent.
  void Stop();

 private:
  void Loop();
  const std::function<SteadyTime()> run_;
  Mutex mu_;
  CondVar changed_;
  bool triggered_ GUARDED_BY(mu_) = true;
  bool stopping_ GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace conclave
