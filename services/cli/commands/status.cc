#include "services/cli/commands/status.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>

#include "common/client/cluster/cluster_client.h"
#include "common/cluster/etcd/etcd_store.h"
#include "common/rpc/health_client.h"
#include "common/rpc/reflection_client.h"

namespace conclave {
namespace {

constexpr Role kRoles[] = {Role::kRouter, Role::kPrefill, Role::kDecode, Role::kExpertHost};

struct PlacementSummary {
  uint64_t epoch = 0;
  int experts = 0;          // (layer, expert) pairs
  int without_replica = 0;  // on no live host
  int min_replicas = 0, max_replicas = 0;
  std::map<std::string, int> per_host;
};

PlacementSummary Summarise(const PlacementMap& map, const std::vector<MemberInfo>& hosts) {
  PlacementSummary summary;
  summary.epoch = map.epoch;
  const auto lives = [&hosts](const ExpertReplica& replica) {
    return std::any_of(hosts.begin(), hosts.end(), [&](const MemberInfo& host) {
      return host.id == replica.host && host.incarnation == replica.incarnation;
    });
  };
  for (const auto& layer : map.layers) {
    for (const auto& replicas : layer) {
      int live = 0;
      for (const ExpertReplica& replica : replicas) {
        if (!lives(replica)) continue;
        ++live;
        ++summary.per_host[replica.host];
      }
      summary.min_replicas = summary.experts == 0 ? live : std::min(summary.min_replicas, live);
      summary.max_replicas = std::max(summary.max_replicas, live);
      summary.without_replica += live == 0;
      ++summary.experts;
    }
  }
  return summary;
}

std::string HealthText(const absl::StatusOr<bool>& health) {
  if (!health.ok()) return absl::IsDeadlineExceeded(health.status()) ? "SILENT" : "UNREACHABLE";
  return *health ? "SERVING" : "NOT_SERVING";
}

}  // namespace

int RunStatus(const StatusOptions& options, std::ostream& out, std::ostream& err) {
  const SteadyTime deadline = After(std::chrono::seconds(options.timeout_s));
  absl::StatusOr<std::unique_ptr<Store>> store = ConnectEtcd(options.etcd, deadline);
  if (!store.ok()) {
    err << "conclave status: " << Message(store.status()) << "\n";
    return 1;
  }
  ClusterClient cluster(**store, ClusterClientOptions{.cluster = options.cluster});
  if (const absl::Status seen = cluster.WaitFirstView(deadline); !seen.ok()) {
    err << "conclave status: " << Message(seen) << "\n";
    return 1;
  }
  const std::unique_ptr<ChannelProvider> channels = MakeNetworkChannels();

  // A model without routed experts is served without hosts and without a placement; that none is
  // missing is part of the router's health.
  const bool placed =
      cluster.Placement()->epoch != 0 || !cluster.Members(Role::kExpertHost).empty();
  bool can_serve = true;
  nlohmann::json json = {{"cluster", options.cluster}, {"members", nlohmann::json::array()}};
  for (Role role : kRoles) {
    bool serving = false;
    for (const MemberInfo& member : cluster.Members(role)) {
      const std::shared_ptr<grpc::Channel> channel = channels->Get(member.grpc_address);
      const std::string health = HealthText(CheckHealth(channel, deadline));
      serving |= health == "SERVING";
      json["members"].push_back(
          {{"id", member.id},
           {"role", RoleName(role)},
           {"pid", member.pid},
           {"grpc", member.grpc_address},
           {"http", member.http_address},
           {"fingerprint", fmt::format("{:016x}", member.fingerprint)},
           {"health", health},
           {"services", ListServices(channel, deadline).value_or(std::vector<std::string>{})}});
    }
    can_serve &= serving || (role == Role::kExpertHost && !placed);
  }
  const PlacementSummary placement =
      Summarise(*cluster.Placement(), cluster.Members(Role::kExpertHost));
  can_serve &= !placed || (placement.experts > 0 && placement.without_replica == 0);
  json["placement"] = {{"epoch", placement.epoch},
                       {"experts", placement.experts},
                       {"without_replica", placement.without_replica},
                       {"min_replicas", placement.min_replicas},
                       {"max_replicas", placement.max_replicas},
                       {"per_host", placement.per_host}};
  json["can_serve"] = can_serve;
  if (options.json) {
    out << json.dump(2) << "\n";
    return can_serve ? 0 : 1;
  }
  out << fmt::format("{:<18} {:<12} {:<12} {:>8}  {:<21} {}\n", "member", "role", "health", "pid",
                     "gRPC", "HTTP");
  for (const nlohmann::json& m : json["members"]) {
    out << fmt::format("{:<18} {:<12} {:<12} {:>8}  {:<21} {}\n", m["id"].get<std::string>(),
                       m["role"].get<std::string>(), m["health"].get<std::string>(),
                       m["pid"].get<int64_t>(), m["grpc"].get<std::string>(),
                       m["http"].get<std::string>());
  }
  if (!placed)
    out << "no expert hosts and no placement: a model without routed experts\n";
  else
    out << fmt::format(
        "placement epoch {}: {} experts, {} to {} replicas each, {} without a live one\n",
        placement.epoch, placement.experts, placement.min_replicas, placement.max_replicas,
        placement.without_replica);
  for (const auto& [host, count] : placement.per_host)
    out << fmt::format("  {:<18} {} experts\n", host, count);
  out << (can_serve ? "the cluster can serve\n" : "the cluster cannot serve\n");
  return can_serve ? 0 : 1;
}

}  // namespace conclave
