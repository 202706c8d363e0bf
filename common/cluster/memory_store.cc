#include "common/cluster/memory_store.h"

#include <map>
#include <set>
#include <utility>

#include "common/base/mutex.h"
#include "common/cluster/callback_queue.h"

namespace conclave {
namespace {

bool StartsWith(const std::string& text, const std::string& prefix) {
  return text.compare(0, prefix.size(), prefix) == 0;
}

absl::Status Bounded(SteadyTime deadline) {
  if (Now() < deadline) return absl::OkStatus();
  return DeadlineExceeded("memory store: the deadline passed before the call began");
}

class MemoryStoreImpl : public MemoryStore {
 public:
  absl::StatusOr<std::optional<KeyValue>> Get(const std::string& key, SteadyTime deadline) override;
  absl::StatusOr<std::vector<KeyValue>> List(const std::string& prefix,
                                             SteadyTime deadline) override;
  absl::StatusOr<int64_t> Put(const std::string& key, const std::string& value, int64_t lease,
                              SteadyTime deadline) override;
  absl::StatusOr<bool> CompareAndPut(const std::string& key, int64_t expected,
                                     const std::string& value, int64_t lease,
                                     SteadyTime deadline) override;
  absl::Status Delete(const std::string& key, SteadyTime deadline) override;
  absl::StatusOr<std::unique_ptr<Lease>> GrantLease(std::chrono::seconds ttl,
                                                    std::function<void()> lost,
                                                    SteadyTime deadline) override;
  std::unique_ptr<Watch> WatchPrefix(const std::string& prefix,
                                     std::function<void(const StoreUpdate&)> on_update) override;
  void ExpireLease(int64_t lease) override;

 private:
  struct Entry {
    std::string value;
    int64_t mod_revision = 0;
    int64_t lease = 0;
  };
  struct LeaseState {
    uint64_t owner = 0;  // in callbacks_
    std::function<void()> lost;
    std::set<std::string> keys;
  };
  struct Watcher {
    std::string prefix;
    std::function<void(const StoreUpdate&)> on_update;
  };
  class MemoryLease;
  class MemoryWatch;

  absl::StatusOr<int64_t> PutLocked(const std::string& key, const std::string& value, int64_t lease)
      REQUIRES(mu_);
  void DeleteLocked(const std::string& key) REQUIRES(mu_);
  void Publish(StoreEvent event) REQUIRES(mu_);
  // Takes the lease out with all its keys. False when there is none.
  bool EndLease(int64_t lease, LeaseState* ended) REQUIRES(mu_);

  Mutex mu_;
  std::map<std::string, Entry> entries_ GUARDED_BY(mu_);
  std::map<int64_t, LeaseState> leases_ GUARDED_BY(mu_);
  std::map<uint64_t, Watcher> watchers_ GUARDED_BY(mu_);  // by owner in callbacks_
  int64_t revision_ GUARDED_BY(mu_) = 0;
  int64_t next_lease_ GUARDED_BY(mu_) = 1;
  CallbackQueue callbacks_;
};

class MemoryStoreImpl::MemoryLease : public Lease {
 public:
  MemoryLease(MemoryStoreImpl& store, int64_t id, uint64_t owner)
      : store_(store), id_(id), owner_(owner) {}
  ~MemoryLease() override {
    {
      MutexLock lock(store_.mu_);
      LeaseState ended;
      store_.EndLease(id_, &ended);
    }
    store_.callbacks_.Forget(owner_);
  }
  int64_t id() const override { return id_; }

 private:
  MemoryStoreImpl& store_;
  const int64_t id_;
  const uint64_t owner_;
};

class MemoryStoreImpl::MemoryWatch : public Watch {
 public:
  MemoryWatch(MemoryStoreImpl& store, uint64_t owner) : store_(store), owner_(owner) {}
  ~MemoryWatch() override {
    {
      MutexLock lock(store_.mu_);
      store_.watchers_.erase(owner_);
    }
    store_.callbacks_.Forget(owner_);
  }

 private:
  MemoryStoreImpl& store_;
  const uint64_t owner_;
};

absl::StatusOr<std::optional<KeyValue>> MemoryStoreImpl::Get(const std::string& key,
                                                             SteadyTime deadline) {
  RETURN_IF_ERROR(Bounded(deadline));
  MutexLock lock(mu_);
  const auto it = entries_.find(key);
  if (it == entries_.end()) return std::optional<KeyValue>();
  return std::optional<KeyValue>(KeyValue{key, it->second.value, it->second.mod_revision});
}

absl::StatusOr<std::vector<KeyValue>> MemoryStoreImpl::List(const std::string& prefix,
                                                            SteadyTime deadline) {
  RETURN_IF_ERROR(Bounded(deadline));
  MutexLock lock(mu_);
  std::vector<KeyValue> result;
  for (auto it = entries_.lower_bound(prefix);
       it != entries_.end() && StartsWith(it->first, prefix); ++it) {
    result.push_back({it->first, it->second.value, it->second.mod_revision});
  }
  return result;
}

absl::StatusOr<int64_t> MemoryStoreImpl::Put(const std::string& key, const std::string& value,
                                             int64_t lease, SteadyTime deadline) {
  RETURN_IF_ERROR(Bounded(deadline));
  MutexLock lock(mu_);
  return PutLocked(key, value, lease);
}

absl::StatusOr<bool> MemoryStoreImpl::CompareAndPut(const std::string& key, int64_t expected,
                                                    const std::string& value, int64_t lease,
                                                    SteadyTime deadline) {
  RETURN_IF_ERROR(Bounded(deadline));
  MutexLock lock(mu_);
  const auto it = entries_.find(key);
  if ((it == entries_.end() ? 0 : it->second.mod_revision) != expected) return false;
  RETURN_IF_ERROR(PutLocked(key, value, lease).status());
  return true;
}

absl::Status MemoryStoreImpl::Delete(const std::string& key, SteadyTime deadline) {
  RETURN_IF_ERROR(Bounded(deadline));
  MutexLock lock(mu_);
  DeleteLocked(key);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Lease>> MemoryStoreImpl::GrantLease(std::chrono::seconds ttl,
                                                                   std::function<void()> lost,
                                                                   SteadyTime deadline) {
  if (ttl.count() < 1) return InvalidArgument("a lease of {} s, must be at least 1", ttl.count());
  RETURN_IF_ERROR(Bounded(deadline));
  const uint64_t owner = callbacks_.NewOwner();
  MutexLock lock(mu_);
  const int64_t id = next_lease_++;
  leases_[id] = {owner, std::move(lost), {}};
  return std::unique_ptr<Lease>(std::make_unique<MemoryLease>(*this, id, owner));
}

std::unique_ptr<Watch> MemoryStoreImpl::WatchPrefix(
    const std::string& prefix, std::function<void(const StoreUpdate&)> on_update) {
  const uint64_t owner = callbacks_.NewOwner();
  StoreUpdate first{true, {}};
  MutexLock lock(mu_);
  for (const auto& [key, entry] : entries_) {
    if (!StartsWith(key, prefix)) continue;
    first.events.push_back({StoreEvent::Type::kPut, {key, entry.value, entry.mod_revision}});
  }
  callbacks_.Push(owner, [on_update, first = std::move(first)] { on_update(first); });
  watchers_[owner] = {prefix, std::move(on_update)};
  return std::make_unique<MemoryWatch>(*this, owner);
}

void MemoryStoreImpl::ExpireLease(int64_t lease) {
  MutexLock lock(mu_);
  LeaseState ended;
  if (EndLease(lease, &ended) && ended.lost) callbacks_.Push(ended.owner, std::move(ended.lost));
}

absl::StatusOr<int64_t> MemoryStoreImpl::PutLocked(const std::string& key, const std::string& value,
                                                   int64_t lease) {
  const auto holder = leases_.find(lease);
  if (lease != 0 && holder == leases_.end()) {
    return NotFound("put of {}: lease {} is not there (any more)", key, lease);
  }
  Entry& entry = entries_[key];
  if (entry.lease != lease) {
    if (const auto old = leases_.find(entry.lease); old != leases_.end())
      old->second.keys.erase(key);
    if (lease != 0) holder->second.keys.insert(key);
  }
  entry = {value, ++revision_, lease};
  Publish({StoreEvent::Type::kPut, {key, value, revision_}});
  return revision_;
}

void MemoryStoreImpl::DeleteLocked(const std::string& key) {
  const auto it = entries_.find(key);
  if (it == entries_.end()) return;
  if (const auto lease = leases_.find(it->second.lease); lease != leases_.end())
    lease->second.keys.erase(key);
  entries_.erase(it);
  Publish({StoreEvent::Type::kDelete, {key, "", ++revision_}});
}

void MemoryStoreImpl::Publish(StoreEvent event) {
  for (const auto& [owner, watcher] : watchers_) {
    if (!StartsWith(event.kv.key, watcher.prefix)) continue;
    callbacks_.Push(owner, [on_update = watcher.on_update, event] { on_update({false, {event}}); });
  }
}

bool MemoryStoreImpl::EndLease(int64_t lease, LeaseState* ended) {
  const auto it = leases_.find(lease);
  if (it == leases_.end()) return false;
  *ended = std::move(it->second);
  leases_.erase(it);
  for (const std::string& key : ended->keys) DeleteLocked(key);
  return true;
}

}  // namespace

std::unique_ptr<MemoryStore> MakeMemoryStore() { return std::make_unique<MemoryStoreImpl>(); }

}  // namespace conclave
