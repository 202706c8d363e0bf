// The processes of a local cluster: an etcd and one process per role instance, started, watched and
// stopped together.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/progress.h"
#include "common/base/status.h"
#include "common/client/cluster/cluster_client.h"
#include "common/rpc/channel.h"
#include "services/cli/up/child_process.h"
#include "services/cli/up/config.h"

namespace conclave {

// Not thread-safe: used by the thread that created it. The destructor stops what still runs.
class LocalCluster {
 public:
  explicit LocalCluster(const UpConfig& config) : config_(config) {}
  ~LocalCluster();

  // Starts etcd, waits for it, starts the roles. Errors name the process and quote the end of its
  // log.
  absl::Status Start(SteadyTime deadline);
  // One look, without waiting: OK(true) when the router says it can serve and all members are
  // registered; an error when a process ended.
  absl::StatusOr<bool> CheckReady();
  // What is not there yet, for the user: "1 of 2 expert hosts".
  std::string Missing() const;
  // What the roles have loaded, together. The total grows while they find out what they need.
  Progress Loading() const;
  // Processes that ended since the last call, one line of text each.
  std::vector<std::string> ReapEnded();
  void Stop();

  const std::string& log_dir() const { return log_dir_; }
  const std::string& etcd_address() const { return etcd_address_; }
  std::string http_address() const;  // of the router
  std::string grpc_address() const;
  std::vector<MemberInfo> Members() const;
  std::vector<const ChildProcess*> Processes() const;

 private:
  absl::Status StartEtcd(SteadyTime deadline);
  absl::Status StartRoles();
  absl::Status Spawn(const std::string& name, std::vector<std::string> argv);
  std::string ProgressFile(const std::string& id) const;
  std::vector<std::string> RoleArgs(const std::string& role, const std::string& id) const;

  UpConfig config_;
  std::string run_dir_;  // temporary, removed by Stop
  std::string log_dir_;
  std::string etcd_address_;
  std::vector<std::unique_ptr<ChildProcess>> children_;  // etcd first, routers last
  std::unique_ptr<Store> store_;
  std::unique_ptr<ClusterClient> cluster_;
  std::unique_ptr<ChannelProvider> channels_;
};

}  // namespace conclave
