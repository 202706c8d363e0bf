#include "common/client/cluster/cluster_client.h"

#include <utility>

#include "common/base/log.h"
#include "common/base/mutex.h"
#include "common/client/cluster/change_notifier.h"
#include "common/client/cluster/cluster_view.h"
#include "common/client/cluster/leased_election.h"
#include "common/client/cluster/records.h"
#include "common/client/cluster/registration.h"
#include "common/cluster/election.h"

namespace conclave {
namespace {

class CampaignHandle : public Election {
 public:
  explicit CampaignHandle(std::shared_ptr<LeasedElection> election)
      : election_(std::move(election)) {}
  ~CampaignHandle() override { election_->End(); }
  bool IsLeader() const override { return election_->IsLeader(); }

 private:
  const std::shared_ptr<LeasedElection> election_;
};

}  // namespace

struct ClusterClient::Impl {
  Impl(Store& s, const ClusterClientOptions& o) : store(s), options(o), view(o.cluster) {}

  int64_t LeaseId() {
    MutexLock lock(mu);
    return registration == nullptr || withdrawn ? 0 : registration->lease_id();
  }
  // Every campaign that still runs follows the lease, or ends.
  void ForCampaigns(void (LeasedElection::*what)()) {
    std::vector<std::weak_ptr<LeasedElection>> all;
    {
      MutexLock lock(mu);
      all = campaigns;
    }
    for (const auto& weak : all) {
      if (const auto campaign = weak.lock()) ((*campaign).*what)();
    }
  }

  void SawView() {
    MutexLock lock(mu);
    seen = true;
    first_view.NotifyAll();
  }

  Store& store;
  const ClusterClientOptions options;
  ClusterView view;
  ChangeNotifier notifier;
  Mutex mu;
  CondVar first_view;
  bool seen GUARDED_BY(mu) = false;  // the store told everything there is
  std::shared_ptr<Registration> registration GUARDED_BY(mu);
  std::string member_id GUARDED_BY(mu);
  bool withdrawn GUARDED_BY(mu) = false;
  std::vector<std::weak_ptr<LeasedElection>> campaigns GUARDED_BY(mu);
  std::unique_ptr<Watch> watch;  // last: its callback uses the rest
};

ClusterClient::ClusterClient(Store& store, const ClusterClientOptions& options)
    : impl_(std::make_unique<Impl>(store, options)) {
  impl_->watch = store.WatchPrefix(ClusterPrefix(options.cluster),
                                   [impl = impl_.get()](const StoreUpdate& update) {
                                     const bool changed = impl->view.Apply(update);
                                     impl->SawView();
                                     if (changed) impl->notifier.Notify();
                                   });
}

ClusterClient::~ClusterClient() {
  impl_->ForCampaigns(&LeasedElection::End);
  Withdraw();
}

absl::Status ClusterClient::Register(const MemberInfo& self, SteadyTime deadline) {
  if (self.id.empty() || self.id.find('/') != std::string::npos) {
    return InvalidArgument("member id '{}' must be non-empty and without '/'", self.id);
  }
  auto registration = std::make_shared<Registration>(
      impl_->store, MemberKey(impl_->options.cluster, self), EncodeMember(self),
      impl_->options.lease_ttl,
      [impl = impl_.get()](int64_t) { impl->ForCampaigns(&LeasedElection::Follow); });
  {
    MutexLock lock(impl_->mu);
    if (impl_->registration != nullptr || impl_->withdrawn) {
      return FailedPrecondition("member {} is registered or withdrawn already", self.id);
    }
    impl_->registration = registration;
    impl_->member_id = self.id;
  }
  if (absl::Status status = registration->Start(deadline); !status.ok()) {
    MutexLock lock(impl_->mu);
    impl_->registration = nullptr;
    return Annotate(status, "cannot register member " + self.id);
  }
  impl_->ForCampaigns(&LeasedElection::Follow);
  return absl::OkStatus();
}

void ClusterClient::Withdraw() {
  std::shared_ptr<Registration> registration;
  {
    MutexLock lock(impl_->mu);
    impl_->withdrawn = true;
    registration = impl_->registration;
  }
  impl_->ForCampaigns(&LeasedElection::Follow);  // leadership ends before the record goes
  if (registration != nullptr) registration->Stop();
}

int64_t ClusterClient::lease_id() const { return impl_->LeaseId(); }

absl::Status ClusterClient::WaitFirstView(SteadyTime deadline) const {
  MutexLock lock(impl_->mu);
  while (!impl_->seen) {
    if (!impl_->first_view.WaitUntil(impl_->mu, deadline) && !impl_->seen && Now() >= deadline) {
      return DeadlineExceeded("the store has not told the state of cluster '{}' yet",
                              impl_->options.cluster);
    }
  }
  return absl::OkStatus();
}

std::vector<MemberInfo> ClusterClient::Members(Role role) const {
  return impl_->view.Members(role);
}

std::shared_ptr<const PlacementMap> ClusterClient::Placement() const {
  return impl_->view.Placement();
}

std::shared_ptr<void> ClusterClient::OnChange(std::function<void()> on_change) {
  return impl_->notifier.Add(std::move(on_change));
}

absl::Status ClusterClient::PublishPlacement(const PlacementMap& map, SteadyTime deadline) {
  const std::string key = PlacementKey(impl_->options.cluster);
  ASSIGN_OR_RETURN(const std::optional<KeyValue> stored, impl_->store.Get(key, deadline));
  if (stored.has_value()) {
    const absl::StatusOr<PlacementMap> old = DecodePlacement(stored->value);
    if (!old.ok()) {  // nobody can read it: better replaced than kept for ever
      LogWarning("damaged placement record replaced", {{"error", Message(old.status())}});
    } else if (old->epoch + 1 != map.epoch) {
      return Aborted("placement epoch {} does not follow the stored epoch {}: plan again from that",
                     map.epoch, old->epoch);
    }
  }
  ASSIGN_OR_RETURN(const bool written,
                   impl_->store.CompareAndPut(key, stored ? stored->mod_revision : 0,
                                              EncodePlacement(map), 0, deadline));
  if (!written)
    return Aborted("placement epoch {}: another map was published meanwhile", map.epoch);
  return absl::OkStatus();
}

std::unique_ptr<Election> ClusterClient::Campaign(const std::string& name,
                                                  std::function<void(bool)> on_change) {
  std::shared_ptr<LeasedElection> election;
  {
    MutexLock lock(impl_->mu);
    election = std::make_shared<LeasedElection>(
        impl_->store, ElectionKey(impl_->options.cluster, name), impl_->member_id,
        [impl = impl_.get()] { return impl->LeaseId(); }, std::move(on_change));
    auto& all = impl_->campaigns;
    std::erase_if(all, [](const auto& weak) { return weak.expired(); });
    all.push_back(election);
  }
  election->Follow();
  return std::make_unique<CampaignHandle>(std::move(election));
}

}  // namespace conclave
