#include "common/client/workers/expert_plane.h"

#include "common/base/log.h"
#include "common/client/workers/expert_client.h"
#include "common/client/workers/mirrored_counter.h"

namespace conclave {
namespace {

class LocalPlane : public ExpertPlane {
 public:
  explicit LocalPlane(std::unique_ptr<ExpertBackend> experts) : experts_(std::move(experts)) {}
  ExpertBackend& backend() override { return *experts_; }
  absl::Status Ready() const override { return absl::OkStatus(); }

 private:
  std::unique_ptr<ExpertBackend> experts_;
};

class NoExperts : public ExpertBackend {
 public:
  absl::StatusOr<std::unique_ptr<ExpertCall>> Dispatch(const RoutedRows& rows, float*) override {
    return FailedPrecondition("layer {} asks for routed experts, but the model has none",
                              rows.layer);
  }
};

// Hello over gRPC, then an endpoint over the transport.
class Connector : public ExpertPeerConnector {
 public:
  Connector(Transport& transport, ClusterClient& cluster, ChannelProvider& channels,
            const PeerIdentity& self)
      : transport_(transport), cluster_(cluster), client_(MakeExpertClient(channels, self)) {}

  absl::StatusOr<std::shared_ptr<Endpoint>> Connect(const std::string& host,
                                                    Incarnation incarnation,
                                                    std::function<void(absl::Status)> on_lost,
                                                    SteadyTime deadline) override {
    ASSIGN_OR_RETURN(const std::string address, FindAddress(host, incarnation));
    ASSIGN_OR_RETURN(const PeerIdentity peer, client_->Hello(address, deadline));
    if (peer.incarnation != incarnation) {
      return Unavailable("expert host {} at {} is incarnation {:x} now, the placement names {:x}",
                         host, address, peer.incarnation, incarnation);
    }
    return transport_.Connect(peer.transport_address, std::move(on_lost));
  }

 private:
  absl::StatusOr<std::string> FindAddress(const std::string& host, Incarnation incarnation) const {
    for (const MemberInfo& member : cluster_.Members(Role::kExpertHost)) {
      if (member.id == host && member.incarnation == incarnation) return member.grpc_address;
    }
    return Unavailable("expert host {} (incarnation {:x}) is not a member of the cluster", host,
                       incarnation);
  }

  Transport& transport_;
  ClusterClient& cluster_;
  const std::unique_ptr<ExpertClient> client_;
};

class RemotePlane : public ExpertPlane {
 public:
  RemotePlane(Transport& transport, ClusterClient& cluster, ChannelProvider& channels,
              const PeerIdentity& self, MetricRegistry& metrics, const std::string& role)
      : connector_(transport, cluster, channels, self),
        experts_(transport, connector_, RemoteExpertsOptions{}),
        refresh_(Mirror(metrics, role)),
        follow_(
            cluster.OnChange([this, &cluster] { experts_.SetPlacement(cluster.Placement()); })) {}

  ExpertBackend& backend() override { return experts_; }
  absl::Status Ready() const override {
    if (experts_.epoch() == 0)
      return Unavailable("no placement map yet: is an expert host running?");
    return experts_.Ready();
  }

 private:
  std::shared_ptr<void> Mirror(MetricRegistry& metrics, const std::string& role) {
    const Labels labels = {{"role", role}};
    const auto retries = [&](const char* reason) {
      return MirroredCounter(metrics.GetCounter("conclave_experts_retries_total",
                                                "Expert dispatches sent again, by reason",
                                                {{"role", role}, {"reason", reason}}));
    };
    struct Mirrors {
      MirroredCounter dispatches, rows, sent, received, stale, lost, late, not_hosted, busy;
      Gauge epoch;
    };
    auto m = std::make_shared<Mirrors>(Mirrors{
        .dispatches = MirroredCounter(
            metrics.GetCounter("conclave_experts_dispatches_total",
                               "Messages of routed rows sent to expert hosts", labels)),
        .rows = MirroredCounter(metrics.GetCounter("conclave_experts_rows_total",
                                                   "Routed rows sent to expert hosts", labels)),
        .sent = MirroredCounter(metrics.GetCounter("conclave_experts_bytes_sent_total",
                                                   "Bytes sent to expert hosts", labels)),
        .received = MirroredCounter(metrics.GetCounter(
            "conclave_experts_bytes_received_total", "Bytes of answers from expert hosts", labels)),
        .stale = MirroredCounter(metrics.GetCounter("conclave_experts_stale_results_total",
                                                    "Answers that came after another replica's",
                                                    labels)),
        .lost = retries("lost"),
        .late = retries("late"),
        .not_hosted = retries("not_hosted"),
        .busy = retries("busy"),
        .epoch = metrics.GetGauge("conclave_experts_epoch", "Epoch of the placement map in use",
                                  labels)});
    return metrics.OnCollect([this, m] {
      const RemoteExperts::Counters now = experts_.counters();
      m->dispatches.Follow(now.dispatches);
      m->rows.Follow(now.rows);
      m->sent.Follow(now.bytes_sent);
      m->received.Follow(now.bytes_received);
      m->stale.Follow(now.stale_results);
      m->lost.Follow(now.retries_lost);
      m->late.Follow(now.retries_late);
      m->not_hosted.Follow(now.retries_not_hosted);
      m->busy.Follow(now.retries_busy);
      m->epoch.Set(static_cast<double>(experts_.epoch()));
    });
  }

  Connector connector_;
  RemoteExperts experts_;
  std::shared_ptr<void> refresh_;
  std::shared_ptr<void> follow_;  // last: ends before what its callback uses
};

}  // namespace

std::unique_ptr<ExpertPlane> MakeLocalExpertPlane(std::unique_ptr<ExpertBackend> experts) {
  return std::make_unique<LocalPlane>(std::move(experts));
}

std::unique_ptr<ExpertPlane> MakeNoExpertPlane() {
  return MakeLocalExpertPlane(std::make_unique<NoExperts>());
}

std::unique_ptr<ExpertPlane> MakeRemoteExpertPlane(Transport& transport, ClusterClient& cluster,
                                                   ChannelProvider& channels,
                                                   const PeerIdentity& self,
                                                   MetricRegistry& metrics,
                                                   const std::string& role) {
  return std::make_unique<RemotePlane>(transport, cluster, channels, self, metrics, role);
}

}  // namespace conclave
