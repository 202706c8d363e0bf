#include "common/cluster/election.h"

#include <algorithm>
#include <optional>
#include <thread>
#include <utility>

#include "common/base/log.h"
#include "common/base/mutex.h"

namespace conclave {
namespace {

constexpr std::chrono::milliseconds kCallTimeout{2000};
constexpr std::chrono::milliseconds kResignTimeout{500};
constexpr std::chrono::milliseconds kFirstRetry{100};
constexpr std::chrono::milliseconds kLongestRetry{2000};

class StoreElection : public Election {
 public:
  StoreElection(Store& store, const std::string& key, const std::string& candidate, int64_t lease,
                std::function<void(bool)> on_change)
      : store_(store),
        key_(key),
        value_(fmt::format("{} {:x}", candidate, lease)),  // two lives of one candidate differ
        lease_(lease),
        on_change_(std::move(on_change)) {
    watch_ = store_.WatchPrefix(key_, [this](const StoreUpdate& update) { Observe(update); });
    thread_ = std::thread([this] { Run(); });
  }

  ~StoreElection() override {
    {
      MutexLock lock(mu_);
      stop_ = true;
    }
    changed_.NotifyAll();
    thread_.join();
    watch_.reset();
    Resign();
  }

  bool IsLeader() const override {
    MutexLock lock(mu_);
    return leader_;
  }

 private:
  void Observe(const StoreUpdate& update) {
    MutexLock lock(mu_);
    known_ = true;
    if (update.reset) {
      holder_.clear();
      revision_ = 0;
    }
    for (const StoreEvent& event : update.events) {
      if (event.kv.key != key_) continue;
      const bool put = event.type == StoreEvent::Type::kPut;
      holder_ = put ? event.kv.value : "";
      revision_ = put ? event.kv.mod_revision : 0;
    }
    next_try_ = Now();  // the world changed: no reason to wait
    retry_ = kFirstRetry;
    changed_.NotifyAll();
  }

  void Run() {
    mu_.Lock();
    while (!stop_) {
      const bool mine = holder_ == value_;
      if (mine != leader_) {
        leader_ = mine;
        mu_.Unlock();
        on_change_(mine);
        mu_.Lock();
      } else if (out_ || !known_ || !holder_.empty()) {
        changed_.Wait(mu_);
      } else if (Now() < next_try_) {
        changed_.WaitUntil(mu_, next_try_);
      } else {
        Try();
      }
    }
    mu_.Unlock();
  }

  // Nobody leads: be the first. What came of it is seen in the watch.
  void Try() REQUIRES(mu_) {
    const int64_t expected = revision_;
    next_try_ = Now() + retry_;
    retry_ = std::min(retry_ * 2, kLongestRetry);
    mu_.Unlock();
    const absl::StatusOr<bool> won =
        store_.CompareAndPut(key_, expected, value_, lease_, After(kCallTimeout));
    const bool lease_gone = absl::IsNotFound(won.status());
    if (!won.ok() && !lease_gone) {
      LogWarning("election: candidacy failed", {{"key", key_}, {"error", Message(won.status())}});
    }
    mu_.Lock();
    if (lease_gone) out_ = true;
  }

  // An empty value means vacant, so that only our own record is ever replaced.
  void Resign() {
    int64_t mine = 0;
    {
      MutexLock lock(mu_);
      if (holder_ == value_) mine = revision_;
    }
    if (mine != 0) (void)store_.CompareAndPut(key_, mine, "", lease_, After(kResignTimeout));
  }

  Store& store_;
  const std::string key_, value_;
  const int64_t lease_;
  const std::function<void(bool)> on_change_;

  mutable Mutex mu_;
  CondVar changed_;
  bool known_ GUARDED_BY(mu_) = false;  // the watch has spoken
  std::string holder_ GUARDED_BY(mu_);  // "" = vacant
  int64_t revision_ GUARDED_BY(mu_) = 0;
  bool leader_ GUARDED_BY(mu_) = false;
  bool out_ GUARDED_BY(mu_) = false;  // the lease is gone: no candidate any more
  bool stop_ GUARDED_BY(mu_) = false;
  SteadyTime next_try_ GUARDED_BY(mu_);
  std::chrono::milliseconds retry_ GUARDED_BY(mu_) = kFirstRetry;
  std::unique_ptr<Watch> watch_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Election> Election::Campaign(Store& store, const std::string& key,
                                             const std::string& candidate, int64_t lease,
                                             std::function<void(bool)> on_change) {
  return std::make_unique<StoreElection>(store, key, candidate, lease, std::move(on_change));
}

}  // namespace conclave
