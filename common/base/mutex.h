// One annotated lock per object: a thin wrapper over std::mutex, seen by clang's -Wthread-safety
// and by ThreadSanitizer alike. No I/O under a lock.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "absl/base/thread_annotations.h"  // defines GUARDED_BY too; seen first, it can be replaced

#if defined(__clang__)
#define CONCLAVE_TSA(x) __attribute__((x))
#else
#define CONCLAVE_TSA(x)
#endif
#undef GUARDED_BY
#define GUARDED_BY(x) CONCLAVE_TSA(guarded_by(x))
#define REQUIRES(...) CONCLAVE_TSA(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) CONCLAVE_TSA(locks_excluded(__VA_ARGS__))

namespace conclave {

class CONCLAVE_TSA(capability("mutex")) Mutex {
 public:
  void Lock() CONCLAVE_TSA(acquire_capability()) { mu_.lock(); }
  void Unlock() CONCLAVE_TSA(release_capability()) { mu_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mu_;
};

class CONCLAVE_TSA(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mu) CONCLAVE_TSA(acquire_capability(mu)) : mu_(mu) { mu_.Lock(); }
  ~MutexLock() CONCLAVE_TSA(release_capability()) { mu_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mu_;
};

// Waits are always bounded or on a condition that shutdown also sets.
class CondVar {
 public:
  void NotifyOne() { cv_.notify_one(); }
  void NotifyAll() { cv_.notify_all(); }

  void Wait(Mutex& mu) REQUIRES(mu) {
    std::unique_lock<std::mutex> lock(mu.mu_, std::adopt_lock);
    cv_.wait(lock);
    lock.release();
  }
  // False when `deadline` passed.
  bool WaitUntil(Mutex& mu, std::chrono::steady_clock::time_point deadline) REQUIRES(mu) {
    std::unique_lock<std::mutex> lock(mu.mu_, std::adopt_lock);
    const bool notified = cv_.wait_until(lock, deadline) == std::cv_status::no_timeout;
    lock.release();
    return notified;
  }

 private:
  std::condition_variable cv_;
};

}  // namespace conclave
