#include "common/cluster/members.h"

#include "common/base/check.h"

namespace conclave {

std::string RoleName(Role role) {
  switch (role) {
    case Role::kRouter:
      return "router";
    case Role::kPrefill:
      return "prefill";
    case Role::kDecode:
      return "decode";
    case Role::kExpertHost:
      return "expert-host";
  }
  CONCLAVE_CHECK(false);
}

const MemberInfo* MemberTable::Find(const std::string& id) const {
  const auto it = members_.find(id);
  return it == members_.end() ? nullptr : &it->second;
}

std::vector<MemberInfo> MemberTable::OfRole(Role role) const {
  std::vector<MemberInfo> result;
  for (const auto& [id, member] : members_) {
    if (member.role == role) result.push_back(member);
  }
  return result;
}

}  // namespace conclave
