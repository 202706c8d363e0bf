// The leader's job: keeps the placement map in step with the expert hosts that live.
#pragma once

#include <atomic>
#include <chrono>
#include <optional>
#include <vector>

#include "common/client/cluster/cluster_client.h"
#include "common/client/workers/expert_client.h"
#include "common/placement/placement.h"

namespace conclave {

struct PlanOptions {
  PlacementShape shape;
  uint64_t fingerprint = 0;  // hosts with another one get no experts
  int replicas = 2;
  std::chrono::milliseconds debounce{200};  // without a change of members before planning
};

// Run is for one job thread; SetLeader from any.
class PlanPlacementJob {
 public:
  PlanPlacementJob(ClusterClient& cluster, ExpertClient& client, const PlanOptions& options);

  void SetLeader(bool leader) { leader_ = leader; }
  bool leader() const { return leader_; }

  // Looks at members and map, publishes a new map when they do not agree. Returns when to look
  // again by itself; changes of the cluster and of leadership are the caller's triggers.
  SteadyTime Run();

 private:
  std::vector<MemberInfo> LiveHosts() const;
  SteadyTime Plan(const PlacementMap& current, const std::vector<PlacementHost>& hosts);
  // The second half of a widened change: true when every host has loaded what the wide map gives
  // it.
  bool WideMapLoaded(uint64_t epoch, const std::vector<MemberInfo>& members) const;
  SteadyTime Publish(const PlacementMap& map);

  ClusterClient& cluster_;
  ExpertClient& client_;
  const PlanOptions options_;
  std::atomic<bool> leader_{false};
  std::vector<PlacementHost> seen_;  // hosts at the last look
  SteadyTime seen_since_;
  std::optional<PlacementMap>
      target_;             // to publish once the wide map of epoch target_->epoch - 1 is loaded
  SteadyTime wide_until_;  // then it is published anyway
  std::vector<PlacementHost> planned_;  // hosts of the last map published from here
};

}  // namespace conclave
