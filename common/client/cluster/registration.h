// A member's record in the store, kept there under a lease.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "common/base/mutex.h"
#include "common/cluster/store.h"

namespace conclave {

// Thread-safe. A thread of its own registers again, with back-off, whenever the lease was lost.
class Registration {
 public:
  // `on_lease(0)` when the lease was lost, `on_lease(id)` when there is a new one; from the thread.
  Registration(Store& store, std::string key, std::string value, std::chrono::seconds ttl,
               std::function<void(int64_t lease)> on_lease);
  ~Registration();  // as Stop

  absl::Status Start(SteadyTime deadline);  // once
  void Stop();                              // removes the record; idempotent
  int64_t lease_id() const;                 // 0 while there is none

 private:
  absl::Status Register(SteadyTime deadline);
  void Run();
  void Reregister() REQUIRES(mu_);

  Store& store_;
  const std::string key_, value_;
  const std::chrono::seconds ttl_;
  const std::function<void(int64_t)> on_lease_;

  mutable Mutex mu_;
  CondVar changed_;
  std::unique_ptr<Lease> lease_ GUARDED_BY(mu_);
  uint64_t attempt_ GUARDED_BY(mu_) =
      0;  // numbers the leases, so that a late word about an old one is none
  bool lost_ GUARDED_BY(mu_) = false;
  bool stop_ GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace conclave
