// Local experts that a test can hold up or break.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "common/base/mutex.h"
#include "common/engine/expert_backend.h"

namespace conclave {

// Local experts behind a gate: closed, every layer waits; broken, every layer fails.
class Gate {
 public:
  void Close() { Set(&closed_, true); }
  void Open() { Set(&closed_, false); }
  void Break(bool broken) { Set(&broken_, broken); }
  // Blocks until a layer waits at the closed gate.
  void AwaitArrival() {
    MutexLock lock(mu_);
    while (waiting_ == 0) ASSERT_TRUE(changed_.WaitUntil(mu_, After(std::chrono::seconds(30))));
  }
  absl::Status Pass() {
    MutexLock lock(mu_);
    ++waiting_;
    changed_.NotifyAll();
    while (closed_) changed_.WaitUntil(mu_, After(std::chrono::seconds(1)));
    --waiting_;
    return broken_ ? Unavailable("expert 3 of layer 2 has no replica left") : absl::OkStatus();
  }

 private:
  void Set(bool* flag, bool value) {
    MutexLock lock(mu_);
    *flag = value;
    changed_.NotifyAll();
  }
  Mutex mu_;
  CondVar changed_;
  bool closed_ = false, broken_ = false;
  int waiting_ = 0;
};

class GatedExperts : public ExpertBackend {
 public:
  GatedExperts(std::unique_ptr<ExpertBackend> inner, Gate& gate)
      : inner_(std::move(inner)), gate_(gate) {}
  absl::StatusOr<std::unique_ptr<ExpertCall>> Dispatch(const RoutedRows& rows,
                                                       float* out) override {
    ASSIGN_OR_RETURN(std::unique_ptr<ExpertCall> call, inner_->Dispatch(rows, out));
    return std::unique_ptr<ExpertCall>(std::make_unique<Call>(std::move(call), gate_));
  }

 private:
  struct Call : ExpertCall {
    Call(std::unique_ptr<ExpertCall> inner, Gate& gate) : inner(std::move(inner)), gate(gate) {}
    absl::Status Wait() override {
      const absl::Status computed = inner->Wait();
      const absl::Status passed = gate.Pass();
      return computed.ok() ? passed : computed;
    }
    std::unique_ptr<ExpertCall> inner;
    Gate& gate;
  };
  std::unique_ptr<ExpertBackend> inner_;
  Gate& gate_;
};

}  // namespace conclave
