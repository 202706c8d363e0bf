// The table of members: pure values, fed by a watch. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/base/ids.h"

namespace conclave {

enum class Role { kRouter, kPrefill, kDecode, kExpertHost };
std::string RoleName(Role role);  // "router", "prefill", "decode", "expert-host"

struct MemberInfo {
  std::string id;
  Role role = Role::kRouter;
  Incarnation incarnation = 0;
  std::string grpc_address;  // "host:port"
  std::string http_address;
  uint64_t fingerprint = 0;
  int64_t pid = 0;
  uint32_t kv_pages = 0;
  int64_t started_us = 0;
  std::string model_id;
};

class MemberTable {
 public:
  void Upsert(const MemberInfo& member) { members_[member.id] = member; }
  void Remove(const std::string& id) { members_.erase(id); }
  void Clear() { members_.clear(); }
  const MemberInfo* Find(const std::string& id) const;
  std::vector<MemberInfo> OfRole(Role role) const;  // ascending by id
  size_t size() const { return members_.size(); }

 private:
  std::map<std::string, MemberInfo> members_;
};

}  // namespace conclave
