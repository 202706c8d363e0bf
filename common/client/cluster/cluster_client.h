// A role's view of the cluster state: registers itself under a lease, follows members and
// placement. The keys and their encoding are known here only.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/cluster/election.h"
#include "common/cluster/members.h"
#include "common/cluster/store.h"
#include "common/placement/placement.h"

namespace conclave {

struct ClusterClientOptions {
  std::string cluster = "default";  // key prefix /conclave/<cluster>/
  std::chrono::seconds lease_ttl{3};
};

// Thread-safe. `store` must outlive it. Callbacks come from a thread of the client, one at a time,
// and must not destroy the client.
class ClusterClient {
 public:
  ClusterClient(Store& store, const ClusterClientOptions& options);
  ~ClusterClient();  // withdraws the registration

  // Puts the record under a lease and keeps it there: when the lease is lost (etcd was away), it
  // registers again with back-off. Called once.
  absl::Status Register(const MemberInfo& self, SteadyTime deadline);
  // Removes the record: others stop sending work. Idempotent.
  void Withdraw();
  int64_t lease_id() const;  // 0 before Register and while a lost lease is replaced

  // Blocks until the store told everything there is once: an empty view means an empty cluster from
  // then on.
  absl::Status WaitFirstView(SteadyTime deadline) const;

  // Last known state; keeps serving when the store is away. A placement map stays known even when
  // its record vanishes from the store.
  std::vector<MemberInfo> Members(Role role) const;
  std::shared_ptr<const PlacementMap> Placement() const;  // never null; epoch 0 before the first

  // `on_change` after every change of members or placement, and once soon after the call.
  // Destroying the handle ends it; no callback runs after that.
  std::shared_ptr<void> OnChange(std::function<void()> on_change);

  // Compare-and-set on the epoch: Aborted when another epoch than map.epoch - 1 is stored. With
  // nothing stored (a new or emptied store) every epoch is accepted.
  absl::Status PublishPlacement(const PlacementMap& map, SteadyTime deadline);
  // Candidate for `name` ("eplb"), under the registration's lease, and again under the next one
  // when that is lost. Needs Register first. Ended by the handle's destruction or the client's,
  // without a last callback.
  std::unique_ptr<Election> Campaign(const std::string& name, std::function<void(bool)> on_change);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace conclave
