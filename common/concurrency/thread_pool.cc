#include "common/concurrency/thread_pool.h"

#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "common/base/check.h"
#include "common/base/mutex.h"

namespace conclave {
namespace {

using Clock = std::chrono::steady_clock;

// Two looks this far apart: somebody else had the core.
constexpr auto kInterrupted = std::chrono::microseconds(200);
// How long the pool then sleeps instead of spinning.
constexpr auto kSharedFor = std::chrono::milliseconds(20);

// True when the scheduler took the core from this thread since the last call. Time that the host
// of a virtual machine takes does not count: sleeping would not help against it.
bool WasPreempted() {
  thread_local long seen = -1;
  rusage usage;
  if (getrusage(RUSAGE_THREAD, &usage) != 0) return false;
  const bool preempted = seen >= 0 && usage.ru_nivcsw > seen;
  seen = usage.ru_nivcsw;
  return preempted;
}

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// generation (24 bits) | tasks (20) | next task (20): one atomic says which Run is on, how long it
// is and what comes next, so that a thread that wakes late never takes a task of the wrong Run.
constexpr int kTaskBits = 20;
constexpr uint64_t kTaskMask = (1u << kTaskBits) - 1;
uint64_t Ticket(uint64_t generation, int tasks) {
  return generation << 2 * kTaskBits | static_cast<uint64_t>(tasks) << kTaskBits;
}
int Tasks(uint64_t ticket) { return static_cast<int>(ticket >> kTaskBits & kTaskMask); }
int Next(uint64_t ticket) { return static_cast<int>(ticket & kTaskMask); }
bool HasWork(uint64_t ticket) { return Next(ticket) < Tasks(ticket); }

}  // namespace

struct ThreadPool::Impl {
  Mutex run_mu;  // one Run at a time; taken before mu
  Mutex mu;      // protects nothing but sleeping: what is waited for is atomic
  CondVar wake;
  CondVar done;
  std::atomic<uint64_t> ticket{0};
  std::atomic<const std::function<void(int)>*> body{nullptr};
  std::atomic<int> unfinished{0};  // tasks of the current Run
  std::atomic<int> sleepers{0};
  std::atomic<bool> caller_sleeps{false};
  std::atomic<bool> stop{false};
  std::atomic<Clock::rep> shared_until{0};  // no spinning before
  uint64_t generation = 0;                  // under run_mu
  std::chrono::microseconds spin{0};
  std::vector<std::thread> threads;

  // Polls until `ready` or the spin time is over; true when ready.
  template <class F>
  bool Spin(F ready) {
    if (ready()) return true;
    Clock::time_point last = Clock::now();
    if (last.time_since_epoch().count() < shared_until.load(std::memory_order_relaxed))
      return false;
    const Clock::time_point end = last + spin;
    while (last < end) {
      for (int i = 0; i < 8; ++i) {
        Pause();
        if (ready()) return true;
      }
      const Clock::time_point now = Clock::now();
      if (now - last > kInterrupted && WasPreempted()) {
        shared_until.store((now + kSharedFor).time_since_epoch().count(),
                           std::memory_order_relaxed);
        return ready();
      }
      last = now;
    }
    return false;
  }

  // Takes and runs tasks until none is left.
  void Drain() {
    while (HasWork(ticket.load(std::memory_order_acquire))) {
      const uint64_t mine = ticket.fetch_add(1, std::memory_order_acq_rel);
      if (!HasWork(mine)) return;
      // The Run cannot end before this task did, so `body` is still its body.
      (*body.load(std::memory_order_relaxed))(Next(mine));
      if (unfinished.fetch_sub(1) == 1 && caller_sleeps.load()) {
        MutexLock lock(mu);
        done.NotifyOne();
      }
    }
  }

  void Work() {
    const auto has_work = [&] {
      return stop.load(std::memory_order_relaxed) || HasWork(ticket.load());
    };
    WasPreempted();
    while (true) {
      if (!Spin(has_work)) {
        MutexLock lock(mu);
        sleepers.fetch_add(1);  // before the last look: a Run looks at it after its ticket
        while (!has_work()) wake.Wait(mu);
        sleepers.fetch_sub(1);
      }
      if (stop.load(std::memory_order_relaxed)) return;
      Drain();
    }
  }
};

ThreadPool::ThreadPool(int threads, int spin_us) : impl_(std::make_unique<Impl>()) {
  CONCLAVE_CHECK(threads >= 1);
  impl_->spin = std::chrono::microseconds(spin_us);
  for (int i = 1; i < threads; ++i)
    impl_->threads.emplace_back([impl = impl_.get()] { impl->Work(); });
}

ThreadPool::~ThreadPool() {
  {
    MutexLock lock(impl_->mu);
    impl_->stop.store(true);
  }
  impl_->wake.NotifyAll();
  for (std::thread& thread : impl_->threads) thread.join();
}

int ThreadPool::threads() const { return static_cast<int>(impl_->threads.size()) + 1; }

void ThreadPool::Run(int tasks, const std::function<void(int task)>& body) {
  Impl& s = *impl_;
  CONCLAVE_CHECK(tasks <= static_cast<int>(kTaskMask));
  MutexLock run(s.run_mu);
  if (tasks <= 1 || s.threads.empty()) {
    for (int task = 0; task < tasks; ++task) body(task);
    return;
  }
  s.body.store(&body, std::memory_order_relaxed);
  s.unfinished.store(tasks, std::memory_order_relaxed);
  s.ticket.store(Ticket(++s.generation, tasks));
  if (s.sleepers.load() > 0) {
    MutexLock lock(s.mu);
    if (tasks - 1 < static_cast<int>(s.threads.size())) {
      for (int i = 0; i + 1 < tasks; ++i) s.wake.NotifyOne();
    } else {
      s.wake.NotifyAll();
    }
  }
  s.Drain();
  const auto all_done = [&] { return s.unfinished.load() == 0; };
  if (s.Spin(all_done)) return;
  // Sleeping frees this core for a thread that holds a task and has none.
  MutexLock lock(s.mu);
  s.caller_sleeps.store(true);
  while (!all_done()) s.done.Wait(s.mu);
  s.caller_sleeps.store(false);
}

}  // namespace conclave
