#include "services/router/workers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace conclave {
namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAre;

class WorkersTest : public testing::Test {
 protected:
  void Add(const std::string& id, Role role) {
    MemberInfo member;
    member.id = id;
    member.role = role;
    member.grpc_address = id + ":1";
    members_.push_back(member);
  }
  WorkerSelector selector_{[this](Role role) {
                             std::vector<MemberInfo> out;
                             for (const MemberInfo& member : members_) {
                               if (member.role == role) out.push_back(member);
                             }
                             return out;
                           },
                           8, 2};
  std::vector<MemberInfo> members_;
};

TEST_F(WorkersTest, NamesTheMissingRole) {
  EXPECT_THAT(Message(selector_.Pick("r", "").status()), HasSubstr("no decode worker"));
  Add("d1", Role::kDecode);
  EXPECT_THAT(Message(selector_.Pick("r", "").status()), HasSubstr("no prefill worker"));
  Add("p1", Role::kPrefill);
  EXPECT_TRUE(selector_.Pick("r", "").ok());
  EXPECT_THAT(Message(selector_.Pick("r", "d1").status()), HasSubstr("beside d1"));
}

TEST_F(WorkersTest, SpreadsWhatIsInFlight) {
  for (const char* id : {"d1", "d2", "d3"}) Add(id, Role::kDecode);
  for (const char* id : {"p1", "p2"}) Add(id, Role::kPrefill);
  std::vector<std::unique_ptr<WorkerSelector::Lease>> leases;
  std::vector<std::string> decode;
  for (const char* request : {"a", "b", "c"}) {
    leases.push_back(selector_.Pick(request, "").value());
    decode.push_back(leases.back()->decode().id);
  }
  EXPECT_THAT(decode, UnorderedElementsAre("d1", "d2", "d3"));

  // The worker whose lease ends is the emptiest one.
  const std::string freed = leases[1]->decode().id;
  leases.erase(leases.begin() + 1);
  EXPECT_EQ(selector_.Pick("d", "").value()->decode().id, freed);
}

TEST_F(WorkersTest, RanksAllPrefillWorkersAndFreesThemEarly) {
  Add("d1", Role::kDecode);
  for (const char* id : {"p1", "p2"}) Add(id, Role::kPrefill);
  const auto first = selector_.Pick("a", "").value();
  EXPECT_THAT(first->PrefillAddresses(), UnorderedElementsAre("p1:1", "p2:1"));
  const auto second = selector_.Pick("b", "").value();
  EXPECT_NE(second->PrefillAddresses()[0], first->PrefillAddresses()[0]);
  first->PrefillDone();
  EXPECT_EQ(selector_.Pick("c", "").value()->PrefillAddresses()[0], first->PrefillAddresses()[0]);
}

}  // namespace
}  // namespace conclave
