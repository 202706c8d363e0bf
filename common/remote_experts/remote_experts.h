// ExpertBackend over the transport: splits the picks of a layer among expert hosts by the placement
// map, sends one message per host, retries elsewhere what is lost, late or not hosted. Since
// experts are pure, a retry never changes a bit; since answers are combined by the caller in expert
// order, neither does placement or arrival order.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/engine/expert_backend.h"
#include "common/placement/placement.h"
#include "common/transport/transport.h"

namespace conclave {

// Connects to an expert host, given its member id: hello over gRPC, endpoint over the transport.
// Implemented by the service; called from a thread of RemoteExperts, may block up to `deadline`.
class ExpertPeerConnector {
 public:
  virtual ~ExpertPeerConnector() = default;
  virtual absl::StatusOr<std::shared_ptr<Endpoint>> Connect(
      const std::string& host, Incarnation incarnation, std::function<void(absl::Status)> on_lost,
      SteadyTime deadline) = 0;
};

struct RemoteExpertsOptions {
  std::chrono::milliseconds attempt_timeout{
      400};  // then the picks go to another replica too (hedge);
             // large messages get more by the recent time per pick
  std::chrono::milliseconds call_timeout{10000};  // bound of a call without a deadline of its own
  std::chrono::milliseconds suspect_time{
      1000};  // a host that was lost or late is asked last for so long
  std::chrono::milliseconds no_replica_grace{
      2000};  // a call waits so long for a replica to come (back)
  std::chrono::milliseconds connect_timeout{2000};  // deadline of one ExpertPeerConnector::Connect
};

// Thread-safe. Installs itself as handler of Channel::kExpertResult. Transport and connector must
// outlive it, and it every call.
class RemoteExperts : public ExpertBackend {
 public:
  RemoteExperts(Transport& transport, ExpertPeerConnector& connector,
                const RemoteExpertsOptions& options);
  ~RemoteExperts() override;

  // A newer map; older epochs are ignored. Connects to new hosts in the background. Callable any
  // time.
  void SetPlacement(std::shared_ptr<const PlacementMap> map);
  uint64_t epoch() const;
  // OK when every expert of the map has a connected replica; else Unavailable naming the first that
  // has none.
  absl::Status Ready() const;

  absl::StatusOr<std::unique_ptr<ExpertCall>> Dispatch(const RoutedRows& rows, float* out) override;

  struct Counters {
    uint64_t dispatches = 0, rows = 0, bytes_sent = 0, bytes_received = 0;
    uint64_t retries_lost = 0, retries_late = 0, retries_not_hosted = 0, retries_busy = 0,
             stale_results = 0;
  };
  Counters counters() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // late events of lost connections may still look at it
};

}  // namespace conclave
