// Lets one thread stop another one that sleeps or waits in a gRPC call.
#pragma once

#include <grpcpp/client_context.h>

#include "common/base/clock.h"
#include "common/base/mutex.h"

namespace conclave {

// Thread-safe. One waiting thread.
class Interrupt {
 public:
  // For good: sleeps end, the running call is cancelled, later ones are cancelled as they begin.
  void Stop() {
    MutexLock lock(mu_);
    stopped_ = true;
    if (call_ != nullptr) call_->TryCancel();  // does not block
    changed_.NotifyAll();
  }
  bool stopped() {
    MutexLock lock(mu_);
    return stopped_;
  }
  // False when stopped before that.
  bool SleepUntil(SteadyTime time) {
    MutexLock lock(mu_);
    while (!stopped_ && Now() < time) changed_.WaitUntil(mu_, time);
    return !stopped_;
  }
  // Around a call: `context` can be cancelled by Stop from Begin to End.
  void Begin(grpc::ClientContext* context) {
    MutexLock lock(mu_);
    call_ = context;
    if (stopped_) call_->TryCancel();
  }
  void End() {
    MutexLock lock(mu_);
    call_ = nullptr;
  }

 private:
  Mutex mu_;
  CondVar changed_;
  grpc::ClientContext* call_ GUARDED_BY(mu_) = nullptr;
  bool stopped_ GUARDED_BY(mu_) = false;
};

}  // namespace conclave
