// Follows the cluster: keeps the list of what is missing, and tells health, metric, log and
// waiters.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/base/status.h"
#include "common/client/cluster/cluster_client.h"
#include "services/router/readiness.h"

namespace conclave {

// Thread-safe. `on_change` runs with the new readiness whenever it changed, one call at a time.
class ReadinessWatcher {
 public:
  ReadinessWatcher(ClusterClient& cluster, const ModelConfig& model, bool local_experts,
                   std::function<void(bool ready)> on_change);
  ~ReadinessWatcher();

  ServingView View() const;
  std::vector<std::string> Missing() const;
  // DeadlineExceeded names what is missing.
  absl::Status WaitReady(SteadyTime deadline) const;

 private:
  void Refresh();

  ClusterClient& cluster_;
  const ModelConfig& model_;
  const bool local_experts_;
  const std::function<void(bool)> on_change_;
  mutable Mutex mu_;
  mutable CondVar changed_;
  std::vector<std::string> missing_ GUARDED_BY(mu_) = {"the cluster's state has not been read yet"};
  std::shared_ptr<void> subscription_;
};

}  // namespace conclave
