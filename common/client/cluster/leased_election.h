// An election that follows the registration from one lease to the next.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/base/mutex.h"
#include "common/cluster/election.h"
#include "common/cluster/store.h"

namespace conclave {

// Thread-safe. `on_change` is never called concurrently and must not call Follow or End.
class LeasedElection {
 public:
  // `lease_id`: the lease of the moment, 0 = none.
  LeasedElection(Store& store, std::string key, std::string candidate,
                 std::function<int64_t()> lease_id, std::function<void(bool)> on_change);
  ~LeasedElection();  // as End

  // To be called after every change of the lease. Without one leadership ends at once; under a new
  // one the campaign starts afresh.
  void Follow();
  // Resigns for good; no callback afterwards.
  void End();
  bool IsLeader() const { return leader_; }

 private:
  void Deliver(uint64_t round, bool leader);

  Store& store_;
  const std::string key_, candidate_;
  const std::function<int64_t()> lease_id_;
  const std::function<void(bool)> on_change_;
  std::atomic<bool> leader_{false};  // written under mu_

  Mutex round_mu_;  // orders Follow and End; taken before mu_
  std::unique_ptr<Election> election_ GUARDED_BY(round_mu_);
  int64_t lease_ GUARDED_BY(round_mu_) = 0;
  bool ended_ GUARDED_BY(round_mu_) = false;
  Mutex mu_;  // held during on_change: it is what keeps the calls apart
  uint64_t round_ GUARDED_BY(mu_) = 0;
};

}  // namespace conclave
