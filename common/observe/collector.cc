#include "common/observe/registry_impl.h"

namespace conclave {

std::shared_ptr<void> Collector::AddRefresh(std::function<void()> refresh) {
  MutexLock lock(mu_);
  const uint64_t id = next_++;
  refreshers_[id] = std::move(refresh);
  std::weak_ptr<Collector> weak = weak_from_this();
  // The handle points at nothing; its deleter is what counts.
  return std::shared_ptr<void>(static_cast<void*>(this), [weak, id](void*) {
    const std::shared_ptr<Collector> self = weak.lock();
    if (self == nullptr) return;
    MutexLock lock(self->mu_);
    self->refreshers_.erase(id);
  });
}

std::vector<prometheus::MetricFamily> Collector::Collect() const {
  {
    MutexLock lock(mu_);
    for (const auto& [id, refresh] : refreshers_) refresh();
  }
  return registry->Collect();
}

}  // namespace conclave
