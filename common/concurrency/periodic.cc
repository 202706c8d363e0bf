#include "common/concurrency/periodic.h"

#include <utility>

#include "common/base/clock.h"

namespace conclave {

Periodic::Periodic(std::chrono::milliseconds period, std::function<void()> function)
    : period_(period), function_(std::move(function)), thread_([this] { Run(); }) {}

Periodic::~Periodic() { Stop(); }

void Periodic::Trigger() {
  MutexLock lock(mu_);
  triggered_ = true;
  changed_.NotifyAll();
}

void Periodic::Stop() {
  {
    MutexLock lock(mu_);
    stop_ = true;
    changed_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void Periodic::Run() {
  mu_.Lock();
  while (true) {
    const SteadyTime next = Now() + period_;
    while (!stop_ && !triggered_ && Now() < next) changed_.WaitUntil(mu_, next);
    if (stop_) break;
    triggered_ = false;
    mu_.Unlock();
    function_();
    mu_.Lock();
  }
  mu_.Unlock();
}

}  // namespace conclave
