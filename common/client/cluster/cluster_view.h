// The last known members and placement, fed by a watch.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/base/mutex.h"
#include "common/cluster/members.h"
#include "common/cluster/store.h"
#include "common/placement/placement.h"

namespace conclave {

// Thread-safe. A record that does not parse is logged and left out. The placement stays known when
// its record vanishes: a map that may be old serves better than none.
class ClusterView {
 public:
  explicit ClusterView(std::string cluster);
  // Whether members or placement changed.
  bool Apply(const StoreUpdate& update);
  std::vector<MemberInfo> Members(Role role) const;
  std::shared_ptr<const PlacementMap> Placement() const;

 private:
  bool ApplyEvent(const StoreEvent& event) REQUIRES(mu_);

  const std::string cluster_;
  mutable Mutex mu_;
  MemberTable members_ GUARDED_BY(mu_);
  std::shared_ptr<const PlacementMap> placement_ GUARDED_BY(mu_);
};

}  // namespace conclave
