// The expert hosts of the newest placement map: connections kept up in the background, and the
// choice of a replica for some picks.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/base/mutex.h"
#include "common/placement/placement.h"
#include "common/remote_experts/remote_experts.h"

namespace conclave {

// One life of one host. What is not atomic or const belongs to HostTable's lock.
struct ExpertHost {
  ExpertHost(std::string id, Incarnation incarnation)
      : id(std::move(id)), incarnation(incarnation) {}
  const std::string id;
  const Incarnation incarnation;
  std::atomic<int64_t> outstanding{0};  // picks sent and not settled, over all calls

  std::shared_ptr<Endpoint> endpoint;  // null: not connected
  uint64_t connection = 0;             // number of the newest connection (attempt)
  uint64_t lost_connection = 0;        // newest one known to be lost
  bool connecting = false;
  bool removed = false;       // not in the map any more
  std::string connect_error;  // of the newest failed attempt
  std::chrono::milliseconds backoff{0};
  SteadyTime connect_at{}, suspect_until{}, busy_until{};
};

// Thread-safe. Callbacks come without locks held.
class HostTable : public std::enable_shared_from_this<HostTable> {
 public:
  struct Events {
    std::function<void()>
        changed;  // a new map, or a host came up: waiting picks may have a replica now
    std::function<void(const ExpertHost&, uint64_t connection)> lost;
  };
  HostTable(ExpertPeerConnector& connector, const RemoteExpertsOptions& options, Events events);

  void Start();
  // Ends the connecting threads (each bounded by the connector's deadline) and drops the
  // connections.
  void Stop();

  void SetPlacement(std::shared_ptr<const PlacementMap> map);
  uint64_t epoch() const;
  absl::Status Ready() const;

  struct Choice {
    std::shared_ptr<ExpertHost> host;  // null: nobody can take the picks now
    std::shared_ptr<Endpoint> endpoint;
    uint64_t connection = 0;
    SteadyTime retry_at =
        SteadyTime::max();  // without a host: a busy replica takes picks again then
  };
  // The connected replica with the least outstanding picks by share; suspects and `last` only when
  // there is no other, `never` not at all. Adds `picks` to its outstanding ones.
  Choice Choose(int layer, uint32_t expert, int64_t picks, const std::set<const ExpertHost*>& last,
                const std::set<const ExpertHost*>& never);

  void MarkSuspect(ExpertHost& host);
  void MarkBusy(ExpertHost& host, std::chrono::milliseconds retry_after);
  void MarkLost(const std::shared_ptr<ExpertHost>& host, uint64_t connection);

 private:
  struct Replica {
    std::shared_ptr<ExpertHost> host;
    float share;
  };
  void Run();
  std::shared_ptr<ExpertHost> NextToConnect(SteadyTime* wake_at) REQUIRES(mu_);
  // Returns true when the host is connected now.
  bool ConnectOnce(const std::shared_ptr<ExpertHost>& host, uint64_t connection);

  ExpertPeerConnector& connector_;
  const RemoteExpertsOptions options_;
  const Events events_;
  std::vector<std::thread> threads_;
  mutable Mutex mu_;
  CondVar work_;
  bool stopped_ GUARDED_BY(mu_) = false;
  std::shared_ptr<const PlacementMap> map_ GUARDED_BY(mu_);
  std::map<std::pair<std::string, Incarnation>, std::shared_ptr<ExpertHost>> hosts_ GUARDED_BY(mu_);
  std::vector<std::vector<std::vector<Replica>>> replicas_ GUARDED_BY(mu_);  // as in the map
};

}  // namespace conclave
