// What every worker process has around its work: identity, metrics, a gRPC server, a place in the
// cluster.
#pragma once

#include <grpcpp/impl/service_type.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/client/cluster/cluster_client.h"
#include "common/client/workers/hello.h"
#include "common/client/workers/worker_config.h"
#include "common/client/workers/worker_deps.h"
#include "common/rpc/envelope.h"

namespace conclave {

// Thread-safe after Listen.
class WorkerNode {
 public:
  // Takes over `deps` but for the model and the local experts. `fingerprint` of the model and mode.
  static absl::StatusOr<std::unique_ptr<WorkerNode>> Create(const WorkerConfig& config, Role role,
                                                            uint64_t fingerprint, WorkerDeps& deps);
  virtual ~WorkerNode() = default;  // Leave, then stops the transport

  virtual const std::string& id() const = 0;
  virtual PeerIdentity identity() const = 0;
  virtual Transport& transport() = 0;
  virtual ClusterClient& cluster() = 0;
  virtual ChannelProvider& channels() = 0;
  virtual MetricRegistry& metrics() = 0;
  virtual RpcMetrics& rpc_metrics() = 0;
  virtual ThreadPool& pool() = 0;

  // Starts the gRPC server (not serving yet) and, outside a single process, the metrics server.
  virtual absl::Status Listen(const std::vector<grpc::Service*>& services) = 0;
  virtual const std::string& address() const = 0;
  virtual const std::string& metrics_address() const = 0;

  // When to appear in the cluster: expert hosts at once, since the placement counts on them;
  // attention workers when they can take requests.
  enum class Appear { kAtOnce, kWhenReady };
  // Follows `ready` from a thread of its own: appears in the member table accordingly, and answers
  // health checks with SERVING while it is OK. `kv_pages` goes into the member record. Called once,
  // after Listen.
  virtual void Announce(Appear appear, uint32_t kv_pages, std::function<absl::Status()> ready) = 0;
  // Have `ready` asked soon: something it depends on has changed. Before Announce it does nothing.
  virtual void ReadyChanged() = 0;
  // Blocks until registered and ready; DeadlineExceeded with what is missing.
  virtual absl::Status WaitReady(SteadyTime deadline) = 0;

  // Leaves the member table and health; calls go on. Idempotent.
  virtual void Withdraw() = 0;
  // Ends the server: running calls get `grace`, then they are cancelled. After Withdraw.
  // Idempotent.
  virtual void CloseServer(std::chrono::milliseconds grace) = 0;
};

}  // namespace conclave
