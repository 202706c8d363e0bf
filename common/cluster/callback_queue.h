// One thread that runs callbacks in order, on behalf of owners that may leave.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <thread>
#include <utility>

#include "common/base/mutex.h"

namespace conclave {

// Thread-safe. The thread sleeps while there is nothing to do. Destroy it after all owners were
// forgotten.
class CallbackQueue {
 public:
  CallbackQueue();
  ~CallbackQueue();  // pending callbacks are dropped

  uint64_t NewOwner();
  void Push(uint64_t owner, std::function<void()> callback);
  // Drops the owner's pending callbacks and waits for the running one, unless called from it.
  void Forget(uint64_t owner);

 private:
  void Run();

  Mutex mu_;
  CondVar changed_;
  std::deque<std::pair<uint64_t, std::function<void()>>> pending_ GUARDED_BY(mu_);
  uint64_t next_owner_ GUARDED_BY(mu_) = 1;
  uint64_t running_ GUARDED_BY(mu_) = 0;
  bool stop_ GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace conclave
