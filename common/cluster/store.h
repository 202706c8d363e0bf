// Cluster state: a small ordered key-value store with leases and watches. Backends: etcd (etcd/)
// and memory (memory_store.h), one contract suite for both.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/status.h"

namespace conclave {

struct KeyValue {
  std::string key;
  std::string value;         // bytes
  int64_t mod_revision = 0;  // store revision of the last change
};

struct StoreEvent {
  enum class Type { kPut, kDelete } type = Type::kPut;
  KeyValue kv;  // value empty for kDelete
};

// What a watcher sees: first the whole prefix, then the changes in order; after a lost connection
// again the whole prefix (reset = true), so that nothing is missed.
struct StoreUpdate {
  bool reset = false;  // `events` are puts of everything there is; forget the rest
  std::vector<StoreEvent> events;
};

// A lease that the store keeps alive from a thread of its own until destroyed (which revokes it).
// `lost` is called once, from that thread, when the lease could not be kept; it must not destroy
// the lease. Never called after the destructor returned, which takes half a second at most when the
// store is away.
class Lease {
 public:
  virtual ~Lease() = default;
  virtual int64_t id() const = 0;
};

class Watch {
 public:
  // No callback runs after the destructor returned. Not to be called from the callback.
  virtual ~Watch() = default;
};

// Thread-safe. Every call is bounded by `deadline`: DeadlineExceeded, or Unavailable when the store
// cannot be reached. A lease that is not there (any more) is NotFound. Leases and watches end
// before their store does.
class Store {
 public:
  virtual ~Store() = default;
  virtual absl::StatusOr<std::optional<KeyValue>> Get(const std::string& key,
                                                      SteadyTime deadline) = 0;
  virtual absl::StatusOr<std::vector<KeyValue>> List(const std::string& prefix,
                                                     SteadyTime deadline) = 0;
  // lease 0 = none; a key belongs to the lease of its last put. Returns the new revision.
  virtual absl::StatusOr<int64_t> Put(const std::string& key, const std::string& value,
                                      int64_t lease, SteadyTime deadline) = 0;
  // Writes only when the key's mod_revision is `expected` (0 = must not exist). False when it is
  // not.
  virtual absl::StatusOr<bool> CompareAndPut(const std::string& key, int64_t expected,
                                             const std::string& value, int64_t lease,
                                             SteadyTime deadline) = 0;
  // OK when there is no such key.
  virtual absl::Status Delete(const std::string& key, SteadyTime deadline) = 0;
  virtual absl::StatusOr<std::unique_ptr<Lease>> GrantLease(std::chrono::seconds ttl,
                                                            std::function<void()> lost,
                                                            SteadyTime deadline) = 0;
  // Never fails: reconnects with back-off for as long as it lives. The callback runs on a thread of
  // the store and must not block.
  virtual std::unique_ptr<Watch> WatchPrefix(const std::string& prefix,
                                             std::function<void(const StoreUpdate&)> on_update) = 0;
};

}  // namespace conclave
