#include "services/expert_host/jobs/plan_placement.h"

#include <algorithm>

#include "common/base/log.h"
#include "services/expert_host/widen_placement.h"

namespace conclave {
namespace {

constexpr std::chrono::milliseconds kStoreTimeout{3000};
constexpr std::chrono::milliseconds kStatusTimeout{1000};
constexpr std::chrono::milliseconds kRetry{500};
constexpr std::chrono::milliseconds kPollLoading{100};
constexpr std::chrono::milliseconds kLongestWide{60000};

}  // namespace

PlanPlacementJob::PlanPlacementJob(ClusterClient& cluster, ExpertClient& client,
                                   const PlanOptions& options)
    : cluster_(cluster),
      client_(client),
      options_(options),
      seen_since_(Now()),
      wide_until_(Now()) {}

std::vector<MemberInfo> PlanPlacementJob::LiveHosts() const {
  std::vector<MemberInfo> members = cluster_.Members(Role::kExpertHost);
  std::erase_if(members,
                [&](const MemberInfo& m) { return m.fingerprint != options_.fingerprint; });
  return members;
}

SteadyTime PlanPlacementJob::Run() {
  if (!leader_) {
    target_.reset();
    planned_.clear();
    return SteadyTime::max();
  }
  const std::vector<MemberInfo> members = LiveHosts();
  std::vector<PlacementHost> hosts;
  for (const MemberInfo& member : members) hosts.push_back({member.id, member.incarnation});
  if (hosts != seen_) {
    seen_ = hosts;
    seen_since_ = Now();
    target_.reset();
  }
  if (hosts.empty()) return SteadyTime::max();
  const SteadyTime settled = seen_since_ + options_.debounce;
  if (Now() < settled) return settled;

  const std::shared_ptr<const PlacementMap> current = cluster_.Placement();
  if (target_.has_value()) {
    if (current->epoch + 1 != target_->epoch) {
      if (current->epoch + 1 < target_->epoch)
        return After(kPollLoading);  // our own map is still on its way
      target_.reset();
    } else if (WideMapLoaded(current->epoch, members) || Now() >= wide_until_) {
      const PlacementMap target = *target_;
      target_.reset();
      return Publish(target);
    } else {
      return After(kPollLoading);
    }
  }
  const bool valid = current->epoch > 0 && ValidatePlacement(*current, options_.shape).ok();
  if (valid && (planned_ == hosts || HostsOf(*current) == hosts)) return SteadyTime::max();
  return Plan(*current, hosts);
}

SteadyTime PlanPlacementJob::Plan(const PlacementMap& current,
                                  const std::vector<PlacementHost>& hosts) {
  auto planned = PlanPlacement(options_.shape, hosts, options_.replicas, current);
  if (!planned.ok()) {
    LogError("cannot plan the placement",
             {{"hosts", hosts.size()}, {"why", Message(planned.status())}});
    return After(kRetry);
  }
  planned_ = hosts;
  auto wide = WidenPlacement(current, *planned, hosts);
  if (!wide.has_value()) return Publish(*planned);
  target_ = *std::move(planned);
  target_->epoch = wide->epoch + 1;
  wide_until_ = After(kLongestWide);
  return std::min(Publish(*wide), After(kPollLoading));
}

bool PlanPlacementJob::WideMapLoaded(uint64_t epoch, const std::vector<MemberInfo>& members) const {
  return std::all_of(members.begin(), members.end(), [&](const MemberInfo& member) {
    const auto status = client_.Status(member.grpc_address, After(kStatusTimeout));
    return status.ok() && status->epoch >= epoch;
  });
}

SteadyTime PlanPlacementJob::Publish(const PlacementMap& map) {
  const absl::Status status = cluster_.PublishPlacement(map, After(kStoreTimeout));
  if (status.ok()) {
    LogInfo("placement published", {{"epoch", map.epoch}, {"hosts", HostsOf(map).size()}});
    return SteadyTime::max();
  }
  LogWarning("cannot publish the placement", {{"epoch", map.epoch}, {"why", Message(status)}});
  planned_.clear();
  target_.reset();
  return After(kRetry);
}

}  // namespace conclave
