#include "common/client/cluster/records.h"

#include "proto/conclave/v1/cluster.pb.h"

namespace conclave {
namespace {

// A map with more layers than this is damaged: no model comes near it.
constexpr uint32_t kMostLayers = 4096;

v1::Role ToProto(Role role) {
  switch (role) {
    case Role::kRouter:
      return v1::ROLE_ROUTER;
    case Role::kPrefill:
      return v1::ROLE_PREFILL;
    case Role::kDecode:
      return v1::ROLE_DECODE;
    case Role::kExpertHost:
      return v1::ROLE_EXPERT_HOST;
  }
  return v1::ROLE_UNSPECIFIED;
}

bool FromProto(v1::Role role, Role* out) {
  switch (role) {
    case v1::ROLE_ROUTER:
      *out = Role::kRouter;
      return true;
    case v1::ROLE_PREFILL:
      *out = Role::kPrefill;
      return true;
    case v1::ROLE_DECODE:
      *out = Role::kDecode;
      return true;
    case v1::ROLE_EXPERT_HOST:
      *out = Role::kExpertHost;
      return true;
    default:
      return false;
  }
}

}  // namespace

std::string ClusterPrefix(const std::string& cluster) { return "/conclave/" + cluster + "/"; }
std::string MemberPrefix(const std::string& cluster) { return ClusterPrefix(cluster) + "members/"; }
std::string MemberKey(const std::string& cluster, const MemberInfo& member) {
  return MemberPrefix(cluster) + RoleName(member.role) + "/" + member.id;
}
std::string MemberIdOfKey(const std::string& cluster, const std::string& key) {
  const std::string prefix = MemberPrefix(cluster);
  if (key.rfind(prefix, 0) != 0) return "";
  const size_t slash = key.find('/', prefix.size());
  return slash == std::string::npos ? "" : key.substr(slash + 1);
}
std::string PlacementKey(const std::string& cluster) {
  return ClusterPrefix(cluster) + "placement";
}
std::string ElectionKey(const std::string& cluster, const std::string& name) {
  return ClusterPrefix(cluster) + "election/" + name;
}

std::string EncodeMember(const MemberInfo& member) {
  v1::Member record;
  record.set_id(member.id);
  record.set_role(ToProto(member.role));
  record.set_incarnation(member.incarnation);
  record.set_grpc_address(member.grpc_address);
  record.set_http_address(member.http_address);
  record.set_fingerprint(member.fingerprint);
  record.set_pid(member.pid);
  record.set_kv_pages(member.kv_pages);
  record.set_started_us(member.started_us);
  record.set_model_id(member.model_id);
  return record.SerializeAsString();
}

absl::StatusOr<MemberInfo> DecodeMember(const std::string& bytes) {
  v1::Member record;
  MemberInfo member;
  if (!record.ParseFromString(bytes))
    return DataLoss("member record of {} bytes does not parse", bytes.size());
  if (record.id().empty() || !FromProto(record.role(), &member.role)) {
    return DataLoss("member record '{}' has the unknown role {}", record.id(),
                    static_cast<int>(record.role()));
  }
  member.id = record.id();
  member.incarnation = record.incarnation();
  member.grpc_address = record.grpc_address();
  member.http_address = record.http_address();
  member.fingerprint = record.fingerprint();
  member.pid = record.pid();
  member.kv_pages = record.kv_pages();
  member.started_us = record.started_us();
  member.model_id = record.model_id();
  return member;
}

std::string EncodePlacement(const PlacementMap& map) {
  v1::Placement record;
  record.set_epoch(map.epoch);
  for (size_t layer = 0; layer < map.layers.size(); ++layer) {
    v1::LayerPlacement& out = *record.add_layers();
    out.set_layer(static_cast<uint32_t>(layer));
    for (const auto& replicas : map.layers[layer]) {
      v1::ExpertPlacement& expert = *out.add_experts();
      for (const ExpertReplica& replica : replicas) {
        v1::Replica& r = *expert.add_replicas();
        r.set_host(replica.host);
        r.set_incarnation(replica.incarnation);
        r.set_share(replica.share);
      }
    }
  }
  return record.SerializeAsString();
}

absl::StatusOr<PlacementMap> DecodePlacement(const std::string& bytes) {
  v1::Placement record;
  if (!record.ParseFromString(bytes))
    return DataLoss("placement record of {} bytes does not parse", bytes.size());
  PlacementMap map;
  map.epoch = record.epoch();
  for (const v1::LayerPlacement& layer : record.layers()) {
    if (layer.layer() >= kMostLayers)
      return DataLoss("placement record names layer {}", layer.layer());
    if (map.layers.size() <= layer.layer()) map.layers.resize(layer.layer() + 1);
    auto& experts = map.layers[layer.layer()];
    for (const v1::ExpertPlacement& expert : layer.experts()) {
      auto& replicas = experts.emplace_back();
      for (const v1::Replica& r : expert.replicas())
        replicas.push_back({r.host(), r.incarnation(), r.share()});
    }
  }
  return map;
}

}  // namespace conclave
