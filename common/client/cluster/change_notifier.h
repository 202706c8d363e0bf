// Tells listeners, from one thread of its own, that something changed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <thread>

#include "common/base/mutex.h"

namespace conclave {

// Thread-safe. Changes that come while a listener runs are told once, afterwards. The thread sleeps
// while nothing changes. Handles may outlive the notifier.
class ChangeNotifier {
 public:
  ChangeNotifier();
  ~ChangeNotifier();  // no listener runs after it returned

  // Told once soon, then after every Notify. When the handle's destruction returned, the listener
  // does not run any more; a listener may destroy its own handle.
  std::shared_ptr<void> Add(std::function<void()> listener);
  void Notify();

 private:
  struct Listener {
    std::shared_ptr<const std::function<void()>> call;
    bool due = true;
  };
  struct State {
    Mutex mu;
    CondVar changed;
    std::map<uint64_t, Listener> listeners GUARDED_BY(mu);
    uint64_t next GUARDED_BY(mu) = 1;
    uint64_t running GUARDED_BY(mu) = 0;
    std::thread::id thread GUARDED_BY(mu);
    bool stop GUARDED_BY(mu) = false;
  };
  static void Run(State& state);
  static void Remove(State& state, uint64_t id);

  const std::shared_ptr<State> state_ = std::make_shared<State>();
  std::thread thread_;
};

}  // namespace conclave
