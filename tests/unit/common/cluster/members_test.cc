#include "common/cluster/members.h"

#include <gtest/gtest.h>

namespace conclave {
namespace {

MemberInfo Member(const std::string& id, Role role, Incarnation incarnation = 1) {
  MemberInfo member;
  member.id = id;
  member.role = role;
  member.incarnation = incarnation;
  return member;
}

TEST(MemberTable, KeepsTheNewestRecordOfEachId) {
  MemberTable table;
  table.Upsert(Member("b", Role::kDecode));
  table.Upsert(Member("a", Role::kDecode));
  table.Upsert(Member("p", Role::kPrefill));
  table.Upsert(Member("b", Role::kDecode, 2));
  EXPECT_EQ(table.size(), 3u);
  const auto decode = table.OfRole(Role::kDecode);
  ASSERT_EQ(decode.size(), 2u);
  EXPECT_EQ(decode[0].id, "a");
  EXPECT_EQ(decode[1].incarnation, 2u);
  EXPECT_EQ(table.Find("x"), nullptr);
  ASSERT_NE(table.Find("p"), nullptr);
  table.Remove("p");
  table.Remove("p");
  EXPECT_TRUE(table.OfRole(Role::kPrefill).empty());
  table.Clear();
  EXPECT_EQ(table.size(), 0u);
}

TEST(RoleName, IsTheSubcommand) {
  EXPECT_EQ(RoleName(Role::kRouter), "router");
  EXPECT_EQ(RoleName(Role::kPrefill), "prefill");
  EXPECT_EQ(RoleName(Role::kDecode), "decode");
  EXPECT_EQ(RoleName(Role::kExpertHost), "expert-host");
}

}  // namespace
}  // namespace conclave
