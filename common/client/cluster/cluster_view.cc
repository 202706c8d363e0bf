#include "common/client/cluster/cluster_view.h"

#include <utility>

#include "common/base/log.h"
#include "common/client/cluster/records.h"

namespace conclave {

ClusterView::ClusterView(std::string cluster)
    : cluster_(std::move(cluster)), placement_(std::make_shared<const PlacementMap>()) {}

bool ClusterView::Apply(const StoreUpdate& update) {
  MutexLock lock(mu_);
  bool changed = update.reset;
  if (update.reset) members_.Clear();
  for (const StoreEvent& event : update.events) changed |= ApplyEvent(event);
  return changed;
}

bool ClusterView::ApplyEvent(const StoreEvent& event) {
  const bool put = event.type == StoreEvent::Type::kPut;
  if (const std::string id = MemberIdOfKey(cluster_, event.kv.key); !id.empty()) {
    if (!put) {
      members_.Remove(id);
      return true;
    }
    absl::StatusOr<MemberInfo> member = DecodeMember(event.kv.value);
    if (member.ok() && member->id == id) {
      members_.Upsert(*member);
      return true;
    }
    LogWarning("cluster record ignored", {{"key", event.kv.key},
                                          {"error", member.ok() ? "it is of member " + member->id
                                                                : Message(member.status())}});
    return false;
  }
  if (event.kv.key != PlacementKey(cluster_) || !put) return false;
  absl::StatusOr<PlacementMap> map = DecodePlacement(event.kv.value);
  if (!map.ok()) {
    LogWarning("cluster record ignored", {{"key", event.kv.key}, {"error", Message(map.status())}});
    return false;
  }
  placement_ = std::make_shared<const PlacementMap>(std::move(*map));
  return true;
}

std::vector<MemberInfo> ClusterView::Members(Role role) const {
  MutexLock lock(mu_);
  return members_.OfRole(role);
}

std::shared_ptr<const PlacementMap> ClusterView::Placement() const {
  MutexLock lock(mu_);
  return placement_;
}

}  // namespace conclave
