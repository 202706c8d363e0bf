// Keys of the cluster state and the encoding of its records. Pure.
#pragma once

#include <string>

#include "common/base/status.h"
#include "common/cluster/members.h"
#include "common/placement/placement.h"

namespace conclave {

std::string ClusterPrefix(const std::string& cluster);  // "/conclave/<cluster>/"
std::string MemberPrefix(const std::string& cluster);
std::string MemberKey(const std::string& cluster, const MemberInfo& member);
// "" when it is not the key of a member of that cluster.
std::string MemberIdOfKey(const std::string& cluster, const std::string& key);
std::string PlacementKey(const std::string& cluster);
std::string ElectionKey(const std::string& cluster, const std::string& name);

std::string EncodeMember(const MemberInfo& member);
absl::StatusOr<MemberInfo> DecodeMember(const std::string& bytes);  // DataLoss
std::string EncodePlacement(const PlacementMap& map);
absl::StatusOr<PlacementMap> DecodePlacement(const std::string& bytes);  // DataLoss

}  // namespace conclave
