#include "common/cluster/callback_queue.h"

namespace conclave {

CallbackQueue::CallbackQueue() : thread_([this] { Run(); }) {}

CallbackQueue::~CallbackQueue() {
  {
    MutexLock lock(mu_);
    stop_ = true;
    pending_.clear();
  }
  changed_.NotifyAll();
  thread_.join();
}

uint64_t CallbackQueue::NewOwner() {
  MutexLock lock(mu_);
  return next_owner_++;
}

void CallbackQueue::Push(uint64_t owner, std::function<void()> callback) {
  MutexLock lock(mu_);
  pending_.emplace_back(owner, std::move(callback));
  changed_.NotifyAll();
}

void CallbackQueue::Forget(uint64_t owner) {
  std::deque<std::pair<uint64_t, std::function<void()>>> dropped;  // destroyed outside the lock
  MutexLock lock(mu_);
  std::deque<std::pair<uint64_t, std::function<void()>>> kept;
  for (auto& entry : pending_) (entry.first == owner ? dropped : kept).push_back(std::move(entry));
  pending_.swap(kept);
  if (std::this_thread::get_id() == thread_.get_id()) return;
  while (running_ == owner) changed_.Wait(mu_);
}

void CallbackQueue::Run() {
  mu_.Lock();
  while (true) {
    while (!stop_ && pending_.empty()) changed_.Wait(mu_);
    if (stop_) break;
    auto [owner, callback] = std::move(pending_.front());
    pending_.pop_front();
    running_ = owner;
    mu_.Unlock();
    callback();
    callback = nullptr;
    mu_.Lock();
    running_ = 0;
    changed_.NotifyAll();
  }
  mu_.Unlock();
}

}  // namespace conclave
