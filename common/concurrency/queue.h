// A bounded queue between threads.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

#include "common/base/clock.h"
#include "common/base/mutex.h"

namespace conclave {

// Thread-safe for any number of producers and consumers; first in, first out. Nobody spins: waiting
// threads sleep. After Close nothing comes in any more, what is inside still goes out.
template <typename T>
class Queue {
 public:
  explicit Queue(size_t capacity) : capacity_(capacity) {}
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  // Does not wait. False when full or closed; `item` is untouched then.
  bool TryPush(T&& item) EXCLUDES(mu_) {
    MutexLock lock(mu_);
    if (closed_ || items_.size() >= capacity_) return false;
    Append(std::move(item));
    return true;
  }
  // Waits for room. False when there was none until `deadline`, or closed; `item` is untouched
  // then.
  bool Push(T&& item, SteadyTime deadline) EXCLUDES(mu_) {
    MutexLock lock(mu_);
    while (!closed_ && items_.size() >= capacity_) {
      if (!room_.WaitUntil(mu_, deadline) && items_.size() >= capacity_) return false;
    }
    if (closed_) return false;
    Append(std::move(item));
    return true;
  }
  // Does not wait.
  std::optional<T> TryPop() EXCLUDES(mu_) {
    MutexLock lock(mu_);
    return Take();
  }
  // Waits for an item. Empty when none came until `deadline`, or closed and drained: see closed().
  std::optional<T> Pop(SteadyTime deadline) EXCLUDES(mu_) {
    MutexLock lock(mu_);
    while (!closed_ && items_.empty()) {
      if (!filled_.WaitUntil(mu_, deadline)) break;
    }
    return Take();
  }
  // As Pop, without a deadline: ends with Close.
  std::optional<T> Pop() EXCLUDES(mu_) {
    MutexLock lock(mu_);
    while (!closed_ && items_.empty()) filled_.Wait(mu_);
    return Take();
  }
  // Wakes everybody. Idempotent.
  void Close() EXCLUDES(mu_) {
    MutexLock lock(mu_);
    closed_ = true;
    filled_.NotifyAll();
    room_.NotifyAll();
  }
  bool closed() const EXCLUDES(mu_) {
    MutexLock lock(mu_);
    return closed_;
  }
  size_t size() const EXCLUDES(mu_) {
    MutexLock lock(mu_);
    return items_.size();
  }
  size_t capacity() const { return capacity_; }

 private:
  void Append(T&& item) REQUIRES(mu_) {
    items_.push_back(std::move(item));
    filled_.NotifyOne();
  }
  std::optional<T> Take() REQUIRES(mu_) {
    if (items_.empty()) return std::nullopt;
    std::optional<T> item(std::move(items_.front()));
    items_.pop_front();
    room_.NotifyOne();
    return item;
  }

  const size_t capacity_;
  mutable Mutex mu_;
  CondVar filled_, room_;
  std::deque<T> items_ GUARDED_BY(mu_);
  bool closed_ GUARDED_BY(mu_) = false;
};

}  // namespace conclave
