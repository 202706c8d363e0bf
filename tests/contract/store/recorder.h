// Collects what callbacks say, so that tests can wait for it.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/cluster/store.h"

namespace conclave {

// How long tests wait for something that must happen; long, since machines may be busy.
inline SteadyTime Soon() { return After(std::chrono::milliseconds(30'000)); }

// Thread-safe. What a watcher would know, and the updates that led there.
class Recorder {
 public:
  std::function<void(const StoreUpdate&)> callback() {
    return [this](const StoreUpdate& update) {
      MutexLock lock(mu_);
      if (update.reset) {
        ++resets_;
        known_.clear();
      }
      for (const StoreEvent& event : update.events) {
        history_.push_back(event);
        if (event.type == StoreEvent::Type::kPut) {
          known_[event.kv.key] = event.kv.value;
        } else {
          known_.erase(event.kv.key);
        }
      }
      changed_.NotifyAll();
    };
  }
  // False when `condition` did not come true in time.
  bool Wait(const std::function<bool(const Recorder&)>& condition) {
    const SteadyTime deadline = Soon();
    MutexLock lock(mu_);
    while (!condition(*this)) {
      if (!changed_.WaitUntil(mu_, deadline)) return condition(*this);
    }
    return true;
  }
  // For the condition, and after Wait.
  const std::map<std::string, std::string>& known() const { return known_; }
  const std::vector<StoreEvent>& history() const { return history_; }
  int resets() const { return resets_; }

 private:
  Mutex mu_;
  CondVar changed_;
  std::map<std::string, std::string> known_;
  std::vector<StoreEvent> history_;
  int resets_ = 0;
};

// Thread-safe. A value that callbacks set and tests wait for.
template <typename T>
class Cell {
 public:
  void Set(T value) {
    MutexLock lock(mu_);
    value_ = value;
    changed_.NotifyAll();
  }
  bool WaitFor(T wanted) {
    const SteadyTime deadline = Soon();
    MutexLock lock(mu_);
    while (value_ != wanted) {
      if (!changed_.WaitUntil(mu_, deadline)) return value_ == wanted;
    }
    return true;
  }
  T Get() {
    MutexLock lock(mu_);
    return value_;
  }

 private:
  Mutex mu_;
  CondVar changed_;
  T value_{};
};

}  // namespace conclave
