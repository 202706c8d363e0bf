#include "common/concurrency/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "common/base/check.h"
#include "common/base/mutex.h"

namespace conclave {
namespace {

constexpr int kDefaultSpinUs = 20;

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

struct ThreadPool::Impl {
  Mutex run_mu;  // one Run at a time; taken before mu
  Mutex mu;
  CondVar wake;
  CondVar idle;
  bool open GUARDED_BY(mu) = false;  // a Run accepts helpers
  bool stop GUARDED_BY(mu) = false;
  int helpers GUARDED_BY(mu) = 0;  // threads inside the current Run
  int tasks GUARDED_BY(mu) = 0;
  const std::function<void(int)>* body GUARDED_BY(mu) = nullptr;
  std::atomic<uint64_t> generation{0};  // written under mu; polled without it
  std::atomic<int> next{0};
  int spin_us = 0;
  std::vector<std::thread> threads;

  static void Drain(std::atomic<int>& next, int tasks, const std::function<void(int)>& body) {
    for (int task; (task = next.fetch_add(1, std::memory_order_relaxed)) < tasks;) body(task);
  }

  // Polls for the next Run for at most spin_us.
  void Spin(uint64_t seen) const {
    const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(spin_us);
    while (generation.load(std::memory_order_acquire) == seen) {
      for (int i = 0; i < 16; ++i) Pause();
      if (std::chrono::steady_clock::now() >= end) return;
    }
  }

  void Work() {
    uint64_t seen = 0;
    while (true) {
      if (spin_us > 0) Spin(seen);
      const std::function<void(int)>* job;
      int count;
      {
        MutexLock lock(mu);
        while (!stop && !(open && generation.load(std::memory_order_relaxed) != seen))
          wake.Wait(mu);
        if (stop) return;
        seen = generation.load(std::memory_order_relaxed);
        ++helpers;
        job = body;
        count = tasks;
      }
      Drain(next, count, *job);
      MutexLock lock(mu);
      if (--helpers == 0) idle.NotifyOne();
    }
  }
};

ThreadPool::ThreadPool(int threads, int spin_us) : impl_(std::make_unique<Impl>()) {
  CONCLAVE_CHECK(threads >= 1);
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  impl_->spin_us = spin_us != kSpinAuto ? spin_us : threads < cores ? kDefaultSpinUs : 0;
  for (int i = 1; i < threads; ++i)
    impl_->threads.emplace_back([impl = impl_.get()] { impl->Work(); });
}

ThreadPool::~ThreadPool() {
  {
    MutexLock lock(impl_->mu);
    impl_->stop = true;
    impl_->generation.fetch_add(1, std::memory_order_release);
  }
  impl_->wake.NotifyAll();
  for (std::thread& thread : impl_->threads) thread.join();
}

int ThreadPool::threads() const { return static_cast<int>(impl_->threads.size()) + 1; }

void ThreadPool::Run(int tasks, const std::function<void(int task)>& body) {
  Impl& s = *impl_;
  MutexLock run(s.run_mu);
  if (tasks <= 1 || s.threads.empty()) {
    for (int task = 0; task < tasks; ++task) body(task);
    return;
  }
  {
    MutexLock lock(s.mu);
    s.body = &body;
    s.tasks = tasks;
    s.next.store(0, std::memory_order_relaxed);
    s.open = true;
    s.generation.fetch_add(1, std::memory_order_release);
  }
  const int wanted = std::min(tasks - 1, static_cast<int>(s.threads.size()));
  if (wanted == static_cast<int>(s.threads.size())) {
    s.wake.NotifyAll();
  } else {
    for (int i = 0; i < wanted; ++i) s.wake.NotifyOne();
  }
  Impl::Drain(s.next, tasks, body);
  // Threads that did not wake in time find the Run closed; those inside are waited for.
  MutexLock lock(s.mu);
  s.open = false;
  while (s.helpers > 0) s.idle.Wait(s.mu);
  s.body = nullptr;
}

}  // namespace conclave
