#include "common/client/workers/job_thread.h"

namespace conclave {

JobThread::~JobThread() { Stop(); }

void JobThread::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void JobThread::Trigger() {
  MutexLock lock(mu_);
  triggered_ = true;
  changed_.NotifyAll();
}

void JobThread::Stop() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void JobThread::Loop() {
  SteadyTime due = Now();
  while (true) {
    {
      MutexLock lock(mu_);
      while (!stopping_ && !triggered_ && Now() < due) {
        if (due == SteadyTime::max()) {
          changed_.Wait(mu_);
        } else {
          changed_.WaitUntil(mu_, due);
        }
      }
      if (stopping_) return;
      triggered_ = false;
    }
    due = run_();
  }
}

}  // namespace conclave
