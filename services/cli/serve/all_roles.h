// Every role of a cluster in one process: the same request path over in-process gRPC, an in-process
// transport and a store in memory. The baseline that disaggregation is measured against.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/cluster/store.h"
#include "common/concurrency/thread_pool.h"
#include "common/observe/metrics.h"
#include "common/rpc/server.h"
#include "common/transport/backends/inproc/inproc_transport.h"
#include "services/cli/serve/config.h"
#include "services/decode/server.h"
#include "services/expert_host/server.h"
#include "services/prefill/server.h"
#include "services/router/server.h"

namespace conclave {

// Thread-safe. Stops everything on destruction.
class AllRoles {
 public:
  // Returns when requests can be served, or with the first error. A model without routed experts
  // gets no expert hosts, whatever the configuration says.
  static absl::StatusOr<std::unique_ptr<AllRoles>> Start(ServeConfig config);
  ~AllRoles();
  const RouterServer& router() const { return *router_; }

 private:
  AllRoles() = default;
  absl::Status StartRoles(const ServeConfig& config);
  WorkerDeps MakeDeps();
  WorkerConfig MakeWorkerConfig(const ServeConfig& config, const std::string& id) const;

  // In order of construction: what comes later uses what comes earlier.
  std::unique_ptr<Store> store_;
  std::shared_ptr<InprocHub> hub_;
  InProcessNetwork network_;
  std::unique_ptr<ChannelProvider> channels_;
  std::unique_ptr<ThreadPool> pool_;
  MetricRegistry metrics_;
  std::shared_ptr<const Model> model_;
  std::vector<std::unique_ptr<ExpertHostServer>> expert_hosts_;
  std::unique_ptr<PrefillServer> prefill_;
  std::unique_ptr<DecodeServer> decode_;
  std::unique_ptr<RouterServer> router_;
};

}  // namespace conclave
