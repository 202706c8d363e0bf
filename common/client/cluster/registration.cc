#include "common/client/cluster/registration.h"

#include <algorithm>
#include <utility>

#include "common/base/log.h"

namespace conclave {
namespace {

constexpr std::chrono::milliseconds kAttemptTimeout{2000};
constexpr std::chrono::milliseconds kFirstPause{100};
constexpr std::chrono::milliseconds kLongestPause{2000};

}  // namespace

Registration::Registration(Store& store, std::string key, std::string value,
                           std::chrono::seconds ttl, std::function<void(int64_t)> on_lease)
    : store_(store),
      key_(std::move(key)),
      value_(std::move(value)),
      ttl_(ttl),
      on_lease_(std::move(on_lease)) {}

Registration::~Registration() { Stop(); }

absl::Status Registration::Start(SteadyTime deadline) {
  RETURN_IF_ERROR(Register(deadline));
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

void Registration::Stop() {
  {
    MutexLock lock(mu_);
    stop_ = true;
  }
  changed_.NotifyAll();
  if (thread_.joinable()) thread_.join();
  std::unique_ptr<Lease> last;  // revoked outside the lock: that is a call
  {
    MutexLock lock(mu_);
    last = std::move(lease_);
  }
}

int64_t Registration::lease_id() const {
  MutexLock lock(mu_);
  return lease_ == nullptr ? 0 : lease_->id();
}

absl::Status Registration::Register(SteadyTime deadline) {
  uint64_t attempt;
  {
    MutexLock lock(mu_);
    attempt = ++attempt_;
    lost_ = false;
  }
  const auto on_lost = [this, attempt] {
    MutexLock lock(mu_);
    if (attempt != attempt_) return;
    lost_ = true;
    changed_.NotifyAll();
  };
  ASSIGN_OR_RETURN(std::unique_ptr<Lease> lease, store_.GrantLease(ttl_, on_lost, deadline));
  RETURN_IF_ERROR(store_.Put(key_, value_, lease->id(), deadline).status());
  MutexLock lock(mu_);
  lease_ = std::move(lease);
  return absl::OkStatus();
}

void Registration::Run() {
  mu_.Lock();
  while (!stop_) {
    if (lost_) {
      Reregister();
    } else {
      changed_.Wait(mu_);
    }
  }
  mu_.Unlock();
}

void Registration::Reregister() {
  std::chrono::milliseconds pause = kFirstPause;
  std::unique_ptr<Lease> old = std::move(lease_);
  mu_.Unlock();
  on_lease_(0);
  old.reset();
  mu_.Lock();
  while (!stop_) {
    mu_.Unlock();
    const absl::Status status = Register(After(kAttemptTimeout));
    if (status.ok()) {
      LogInfo("registered again", {{"key", key_}});
      on_lease_(lease_id());
    } else {
      LogWarning("cannot register again yet", {{"key", key_}, {"error", Message(status)}});
    }
    mu_.Lock();
    if (status.ok()) return;  // lost again in the meantime: Run sees it
    const SteadyTime next = Now() + pause;
    while (!stop_ && Now() < next) changed_.WaitUntil(mu_, next);
    pause = std::min(pause * 2, kLongestPause);
  }
}

}  // namespace conclave
