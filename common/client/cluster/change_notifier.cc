#include "common/client/cluster/change_notifier.h"

#include <algorithm>
#include <utility>

namespace conclave {

ChangeNotifier::ChangeNotifier() : thread_([state = state_] { Run(*state); }) {}

ChangeNotifier::~ChangeNotifier() {
  {
    MutexLock lock(state_->mu);
    state_->stop = true;
  }
  state_->changed.NotifyAll();
  thread_.join();
}

std::shared_ptr<void> ChangeNotifier::Add(std::function<void()> listener) {
  auto call = std::make_shared<const std::function<void()>>(std::move(listener));
  uint64_t id;
  {
    MutexLock lock(state_->mu);
    id = state_->next++;
    state_->listeners[id] = {std::move(call), true};
  }
  state_->changed.NotifyAll();
  // The handle points at nothing of use; its deleter is what counts.
  return std::shared_ptr<void>(static_cast<void*>(state_.get()),
                               [state = state_, id](void*) { Remove(*state, id); });
}

void ChangeNotifier::Notify() {
  {
    MutexLock lock(state_->mu);
    for (auto& [id, listener] : state_->listeners) listener.due = true;
  }
  state_->changed.NotifyAll();
}

void ChangeNotifier::Remove(State& state, uint64_t id) {
  std::shared_ptr<const std::function<void()>> last;  // destroyed outside the lock
  MutexLock lock(state.mu);
  const auto it = state.listeners.find(id);
  if (it != state.listeners.end()) {
    last = std::move(it->second.call);
    state.listeners.erase(it);
  }
  if (std::this_thread::get_id() == state.thread) return;
  while (state.running == id) state.changed.Wait(state.mu);
}

void ChangeNotifier::Run(State& state) {
  state.mu.Lock();
  state.thread = std::this_thread::get_id();
  while (!state.stop) {
    const auto due = std::find_if(state.listeners.begin(), state.listeners.end(),
                                  [](const auto& entry) { return entry.second.due; });
    if (due == state.listeners.end()) {
      state.changed.Wait(state.mu);
      continue;
    }
    due->second.due = false;
    state.running = due->first;
    std::shared_ptr<const std::function<void()>> call = due->second.call;
    state.mu.Unlock();
    (*call)();
    call.reset();
    state.mu.Lock();
    state.running = 0;
    state.changed.NotifyAll();
  }
  state.mu.Unlock();
}

}  // namespace conclave
