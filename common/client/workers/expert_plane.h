// An attention worker's side of the expert plane: local experts, or expert hosts found through the
// cluster state and followed as the placement changes.
#pragma once

#include <memory>

#include "common/base/status.h"
#include "common/client/cluster/cluster_client.h"
#include "common/client/workers/hello.h"
#include "common/engine/expert_backend.h"
#include "common/observe/metrics.h"
#include "common/remote_experts/remote_experts.h"
#include "common/rpc/channel.h"
#include "common/transport/transport.h"

namespace conclave {

// Thread-safe. Everything passed by reference must outlive it.
class ExpertPlane {
 public:
  virtual ~ExpertPlane() = default;
  virtual ExpertBackend& backend() = 0;
  // OK when every expert can be computed; else Unavailable saying what is missing.
  virtual absl::Status Ready() const = 0;
};

std::unique_ptr<ExpertPlane> MakeLocalExpertPlane(std::unique_ptr<ExpertBackend> experts);

// For a model without routed experts: ready at once, and a dispatch is a FailedPrecondition.
std::unique_ptr<ExpertPlane> MakeNoExpertPlane();

// Metrics, with the label role:
// conclave_experts_{dispatches,rows,bytes_sent,bytes_received,stale_results}_total,
// conclave_experts_retries_total{reason=lost|late|not_hosted|busy}, conclave_experts_epoch (gauge).
std::unique_ptr<ExpertPlane> MakeRemoteExpertPlane(Transport& transport, ClusterClient& cluster,
                                                   ChannelProvider& channels,
                                                   const PeerIdentity& self,
                                                   MetricRegistry& metrics,
                                                   const std::string& role);

}  // namespace conclave
