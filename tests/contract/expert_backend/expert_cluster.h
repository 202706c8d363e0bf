// Expert hosts and one client of them in one process, over any transport backend.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/base/mutex.h"
#include "common/remote_experts/expert_server.h"
#include "common/remote_experts/remote_experts.h"
#include "tests/contract/expert_backend/fake_experts.h"
#include "tests/contract/transport/transport_world.h"

namespace conclave {

inline constexpr int kTestLayers = 4;
inline constexpr int kTestExperts = 16;

class ExpertCluster : public ExpertPeerConnector {
 public:
  struct Host {
    std::string id;
    std::unique_ptr<Transport> transport;
    FakeExperts experts;
    std::unique_ptr<ExpertServer> server;
    Mutex mu;
    std::set<int> not_held GUARDED_BY(mu);  // experts that holds() denies
    bool reachable GUARDED_BY(mu) = true;
  };

  ExpertCluster(const std::string& backend, int hosts, RemoteExpertsOptions options = {},
                ExpertServerOptions server_options = {})
      : world_(backend), client_transport_(world_.Make()) {
    for (int i = 0; i < hosts; ++i) AddHost(server_options);
    remote_ = std::make_unique<RemoteExperts>(*client_transport_, *this, options);
  }
  ~ExpertCluster() override {
    for (auto& host : hosts_) host->experts.Release();
    remote_.reset();
    client_transport_->Stop();
    for (auto& host : hosts_) {
      host->server.reset();
      host->transport->Stop();
    }
  }

  // As a service does it: both sides learn each other's address.
  absl::StatusOr<std::shared_ptr<Endpoint>> Connect(const std::string& id, Incarnation incarnation,
                                                    std::function<void(absl::Status)> on_lost,
                                                    SteadyTime) override {
    for (auto& host : hosts_) {
      if (host->id != id || host->transport->incarnation() != incarnation) continue;
      {
        MutexLock lock(host->mu);
        if (!host->reachable) return Unavailable("{} refuses", id);
      }
      ASSIGN_OR_RETURN(auto back, host->transport->Connect(client_transport_->Address(), nullptr));
      host->server->AddPeer(client_transport_->incarnation(), std::move(back));
      return client_transport_->Connect(host->transport->Address(), std::move(on_lost));
    }
    return NotFound("no host {}", id);
  }

  // A map of `epoch` where expert e is on the hosts that `places(e)` names.
  template <typename F>
  void Place(uint64_t epoch, F places) {
    auto map = std::make_shared<PlacementMap>();
    map->epoch = epoch;
    map->layers.resize(kTestLayers);
    for (int layer = 1; layer < kTestLayers; ++layer) {  // layer 0 is dense
      for (int expert = 0; expert < kTestExperts; ++expert) {
        std::vector<ExpertReplica> replicas;
        const std::vector<int> on = places(expert);
        for (const int index : on) {
          replicas.push_back(
              {hosts_[index]->id, hosts_[index]->transport->incarnation(), 1.0f / on.size()});
        }
        map->layers[layer].push_back(std::move(replicas));
      }
    }
    remote_->SetPlacement(std::move(map));
  }
  // Every expert on every host.
  void PlaceEverywhere(uint64_t epoch) {
    std::vector<int> all;
    for (size_t i = 0; i < hosts_.size(); ++i) all.push_back(static_cast<int>(i));
    Place(epoch, [&](int) { return all; });
  }
  // Polls Ready; connections come up in the background.
  absl::Status AwaitReady() {
    const SteadyTime deadline = After(std::chrono::milliseconds(20000));
    Mutex mu;
    CondVar never;
    while (true) {
      absl::Status status = remote_->Ready();
      if (status.ok() || Now() > deadline) return status;
      MutexLock lock(mu);
      never.WaitUntil(mu, After(std::chrono::milliseconds(2)));
    }
  }

  RemoteExperts& remote() { return *remote_; }
  Host& host(int index) { return *hosts_[index]; }
  Transport& client_transport() { return *client_transport_; }

 private:
  void AddHost(const ExpertServerOptions& options) {
    auto host = std::make_unique<Host>();
    host->id = "host-" + std::to_string(hosts_.size());
    host->transport = world_.Make();
    auto holds = [raw = host.get()](int layer, int expert) {
      MutexLock lock(raw->mu);
      return layer > 0 && layer < kTestLayers && expert < kTestExperts &&
             raw->not_held.count(expert) == 0;
    };
    host->server = std::make_unique<ExpertServer>(
        *host->transport, host->experts, holds, [] { return 1; }, options);
    hosts_.push_back(std::move(host));
  }

  TransportWorld world_;
  std::unique_ptr<Transport> client_transport_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::unique_ptr<RemoteExperts> remote_;
};

}  // namespace conclave
