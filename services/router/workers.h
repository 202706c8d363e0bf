// Which workers take a request: the pure ranking of common/routing fed with this router's own
// counts.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/base/mutex.h"
#include "common/base/status.h"
#include "common/cluster/members.h"

namespace conclave {

// Thread-safe. Must outlive the leases it gives.
class WorkerSelector {
 public:
  // The current members of a role; thread-safe.
  using MembersFn = std::function<std::vector<MemberInfo>(Role)>;
  WorkerSelector(MembersFn members, int decode_capacity, int prefill_capacity);

  // A place on a decode and a prefill worker, counted until it is dropped. Not thread-safe.
  class Lease {
   public:
    Lease(WorkerSelector& selector, MemberInfo decode, std::vector<MemberInfo> prefill);
    ~Lease();
    Lease(const Lease&) = delete;
    const MemberInfo& decode() const { return decode_; }
    std::vector<std::string> PrefillAddresses() const;  // ranked
    // The prompt is computed: the prefill worker's place is free again.
    void PrefillDone();

   private:
    WorkerSelector& selector_;
    const MemberInfo decode_;
    const std::vector<MemberInfo> prefill_;
    bool prefill_counted_ = true;
  };

  // The least loaded decode worker other than `except` (a member id, may be empty) and all prefill
  // workers, best first. Unavailable naming the missing role.
  absl::StatusOr<std::unique_ptr<Lease>> Pick(const std::string& request_id,
                                              const std::string& except);

 private:
  std::vector<MemberInfo> Rank(const std::vector<MemberInfo>& members, int capacity,
                               uint64_t request_hash);
  void Count(const std::string& id, int change);

  const MembersFn members_;
  const int decode_capacity_, prefill_capacity_;
  Mutex mu_;
  std::map<std::string, int> in_flight_ GUARDED_BY(mu_);  // by member id, only those above 0
};

}  // namespace conclave
