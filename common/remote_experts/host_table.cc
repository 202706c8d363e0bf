#include "common/remote_experts/host_table.h"

#include <algorithm>

#include "common/base/log.h"

namespace conclave {
namespace {

constexpr int kConnectThreads = 3;  // one frozen host must not keep the others waiting
constexpr std::chrono::milliseconds kFirstBackoff{100}, kLastBackoff{2000};

}  // namespace

HostTable::HostTable(ExpertPeerConnector& connector, const RemoteExpertsOptions& options,
                     Events events)
    : connector_(connector), options_(options), events_(std::move(events)) {}

void HostTable::Start() {
  for (int i = 0; i < kConnectThreads; ++i) threads_.emplace_back([this] { Run(); });
}

void HostTable::Stop() {
  {
    MutexLock lock(mu_);
    stopped_ = true;
    work_.NotifyAll();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  std::vector<std::shared_ptr<Endpoint>> closed;  // outside the lock
  MutexLock lock(mu_);
  for (auto& [key, host] : hosts_) closed.push_back(std::move(host->endpoint));
  hosts_.clear();
  replicas_.clear();
}

void HostTable::SetPlacement(std::shared_ptr<const PlacementMap> map) {
  std::vector<std::shared_ptr<Endpoint>> closed;
  {
    MutexLock lock(mu_);
    if (stopped_ || map == nullptr || (map_ != nullptr && map->epoch <= map_->epoch)) return;
    decltype(hosts_) hosts;
    replicas_.clear();
    replicas_.resize(map->layers.size());
    for (size_t layer = 0; layer < map->layers.size(); ++layer) {
      replicas_[layer].resize(map->layers[layer].size());
      for (size_t expert = 0; expert < map->layers[layer].size(); ++expert) {
        for (const ExpertReplica& replica : map->layers[layer][expert]) {
          const auto key = std::make_pair(replica.host, replica.incarnation);
          auto& host = hosts[key];
          if (host == nullptr) {
            const auto known = hosts_.find(key);
            host = known != hosts_.end()
                       ? known->second
                       : std::make_shared<ExpertHost>(replica.host, replica.incarnation);
          }
          replicas_[layer][expert].push_back({host, replica.share});
        }
      }
    }
    for (auto& [key, host] : hosts_) {
      if (hosts.count(key) > 0) continue;
      host->removed = true;
      closed.push_back(std::move(host->endpoint));
    }
    hosts_ = std::move(hosts);
    map_ = std::move(map);
    work_.NotifyAll();
  }
  events_.changed();
}

uint64_t HostTable::epoch() const {
  MutexLock lock(mu_);
  return map_ == nullptr ? 0 : map_->epoch;
}

absl::Status HostTable::Ready() const {
  MutexLock lock(mu_);
  if (map_ == nullptr || map_->epoch == 0) return Unavailable("there is no placement map yet");
  for (size_t layer = 0; layer < replicas_.size(); ++layer) {
    for (size_t expert = 0; expert < replicas_[layer].size(); ++expert) {
      const auto& replicas = replicas_[layer][expert];
      const bool reachable =
          std::any_of(replicas.begin(), replicas.end(), [](const Replica& replica) {
            return replica.host->endpoint != nullptr && replica.host->endpoint->Health().ok();
          });
      if (reachable) continue;
      std::string hosts;
      for (const Replica& replica : replicas) {
        const std::string& error = replica.host->connect_error;
        hosts += (hosts.empty() ? "" : ", ") + replica.host->id +
                 (error.empty() ? "" : " (" + error + ")");
      }
      return Unavailable("expert {} of layer {} has no connected host in epoch {}; replicas: {}",
                         expert, layer, map_->epoch, hosts.empty() ? "none" : hosts);
    }
  }
  return absl::OkStatus();
}

HostTable::Choice HostTable::Choose(int layer, uint32_t expert, int64_t picks,
                                    const std::set<const ExpertHost*>& last,
                                    const std::set<const ExpertHost*>& never) {
  const SteadyTime now = Now();
  Choice choice;
  MutexLock lock(mu_);
  if (static_cast<size_t>(layer) >= replicas_.size() || expert >= replicas_[layer].size())
    return choice;
  const Replica* best = nullptr;
  std::pair<int, double> best_rank;
  for (const Replica& replica : replicas_[layer][expert]) {
    const ExpertHost& host = *replica.host;
    if (host.endpoint == nullptr || never.count(&host) > 0) continue;
    if (host.busy_until > now) {
      choice.retry_at = std::min(choice.retry_at, host.busy_until);
      continue;
    }
    const int reluctance = (last.count(&host) > 0 ? 2 : 0) + (host.suspect_until > now ? 1 : 0);
    const double load =
        static_cast<double>(host.outstanding + picks) / std::max(replica.share, 1e-3f);
    const std::pair<int, double> rank(reluctance, load);
    if (best == nullptr || rank < best_rank) best = &replica, best_rank = rank;
  }
  // A busy replica that is not late is worth more than a second message to a late one.
  if (best == nullptr || (best_rank.first >= 2 && choice.retry_at != SteadyTime::max()))
    return choice;
  best->host->outstanding += picks;
  choice.host = best->host;
  choice.endpoint = best->host->endpoint;
  choice.connection = best->host->connection;
  return choice;
}

void HostTable::MarkSuspect(ExpertHost& host) {
  MutexLock lock(mu_);
  host.suspect_until = Now() + options_.suspect_time;
}

void HostTable::MarkBusy(ExpertHost& host, std::chrono::milliseconds retry_after) {
  MutexLock lock(mu_);
  host.busy_until = Now() + retry_after;
}

void HostTable::MarkLost(const std::shared_ptr<ExpertHost>& host, uint64_t connection) {
  std::shared_ptr<Endpoint> closed;
  {
    MutexLock lock(mu_);
    if (host->lost_connection >= connection) return;
    host->lost_connection = connection;
    if (host->connection == connection) {
      closed = std::move(host->endpoint);
      host->connect_at = Now();
      host->suspect_until = Now() + options_.suspect_time;
      work_.NotifyOne();
    }
  }
  LogWarning("expert host lost", {{"host", host->id}});
  events_.lost(*host, connection);
}

std::shared_ptr<ExpertHost> HostTable::NextToConnect(SteadyTime* wake_at) {
  const SteadyTime now = Now();
  *wake_at = SteadyTime::max();
  for (const auto& [key, host] : hosts_) {
    if (host->endpoint != nullptr || host->connecting) continue;
    if (host->connect_at <= now) return host;
    *wake_at = std::min(*wake_at, host->connect_at);
  }
  return nullptr;
}

bool HostTable::ConnectOnce(const std::shared_ptr<ExpertHost>& host, uint64_t connection) {
  auto on_lost = [weak = weak_from_this(), host, connection](absl::Status) {
    if (const auto table = weak.lock()) table->MarkLost(host, connection);
  };
  auto endpoint =
      connector_.Connect(host->id, host->incarnation, on_lost, After(options_.connect_timeout));
  absl::Status status = endpoint.status();
  MutexLock lock(mu_);
  host->connecting = false;
  if (status.ok() && !stopped_ && !host->removed && host->lost_connection < connection) {
    host->endpoint = *std::move(endpoint);
    host->backoff = std::chrono::milliseconds(0);
    return true;
  }
  host->connect_error = status.ok() ? "the connection was lost at once" : Message(status);
  host->backoff = std::clamp(2 * host->backoff, kFirstBackoff, kLastBackoff);
  host->connect_at = Now() + host->backoff;
  return false;
}

void HostTable::Run() {
  while (true) {
    std::shared_ptr<ExpertHost> host;
    uint64_t connection = 0;
    {
      MutexLock lock(mu_);
      while (!stopped_ && host == nullptr) {
        SteadyTime wake_at;
        host = NextToConnect(&wake_at);
        if (host != nullptr) break;
        if (wake_at == SteadyTime::max()) {
          work_.Wait(mu_);
        } else {
          work_.WaitUntil(mu_, wake_at);
        }
      }
      if (stopped_) return;
      host->connecting = true;
      connection = ++host->connection;
    }
    if (ConnectOnce(host, connection)) {
      LogInfo("expert host connected", {{"host", host->id}});
      events_.changed();
    }
  }
}

}  // namespace conclave
