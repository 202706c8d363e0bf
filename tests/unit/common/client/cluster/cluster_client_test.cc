#include "common/client/cluster/cluster_client.h"

#include <gtest/gtest.h>

#include "common/client/cluster/records.h"
#include "common/cluster/memory_store.h"
#include "common/concurrency/queue.h"

namespace conclave {
namespace {

SteadyTime Soon() { return After(std::chrono::milliseconds(30'000)); }

MemberInfo Decode(const std::string& id) {
  MemberInfo member;
  member.id = id;
  member.role = Role::kDecode;
  member.incarnation = 5;
  member.grpc_address = "127.0.0.1:1";
  member.http_address = "127.0.0.1:2";
  member.fingerprint = 0xfedcba9876543210;
  member.pid = 42;
  member.kv_pages = 100;
  member.started_us = 1700000000000000;
  member.model_id = "tiny";
  return member;
}

PlacementMap Map(uint64_t epoch) {
  PlacementMap map;
  map.epoch = epoch;
  map.layers = {{}, {{{"a", 1, 0.25f}, {"b", 2, 0.75f}}, {{"b", 2, 1.0f}}}};
  return map;
}

// A client whose changes can be waited for.
struct Node {
  explicit Node(Store& store, const std::string& cluster = "default")
      : client(store, Options(cluster)) {
    handle = client.OnChange([this] { changes.TryPush(1); });
  }
  static ClusterClientOptions Options(const std::string& cluster) {
    ClusterClientOptions options;
    options.cluster = cluster;
    return options;
  }
  bool Wait(const std::function<bool()>& condition) {
    const SteadyTime deadline = Soon();
    while (!condition()) {
      if (!changes.Pop(deadline).has_value()) return condition();
    }
    return true;
  }
  bool WaitMembers(size_t count) {
    return Wait([&] { return client.Members(Role::kDecode).size() == count; });
  }

  Queue<int> changes{1};  // "something changed since you last looked"
  ClusterClient client;
  std::shared_ptr<void> handle;
};

TEST(ClusterClient, OthersSeeAMemberUntilItWithdraws) {
  const auto store = MakeMemoryStore();
  Node worker(*store), router(*store);
  EXPECT_EQ(worker.client.lease_id(), 0);
  ASSERT_TRUE(worker.client.Register(Decode("d0"), Soon()).ok());
  EXPECT_NE(worker.client.lease_id(), 0);
  ASSERT_TRUE(router.WaitMembers(1));
  const MemberInfo seen = router.client.Members(Role::kDecode)[0];
  EXPECT_EQ(EncodeMember(seen), EncodeMember(Decode("d0")));
  EXPECT_TRUE(router.client.Members(Role::kPrefill).empty());
  worker.client.Withdraw();
  worker.client.Withdraw();
  ASSERT_TRUE(router.WaitMembers(0));
  EXPECT_EQ(worker.client.lease_id(), 0);
}

TEST(ClusterClient, DestructionWithdraws) {
  const auto store = MakeMemoryStore();
  Node router(*store);
  {
    Node worker(*store);
    ASSERT_TRUE(worker.client.Register(Decode("d0"), Soon()).ok());
    ASSERT_TRUE(router.WaitMembers(1));
  }
  ASSERT_TRUE(router.WaitMembers(0));
}

TEST(ClusterClient, RegistersAgainAfterALostLease) {
  const auto store = MakeMemoryStore();
  Node worker(*store);
  ASSERT_TRUE(worker.client.Register(Decode("d0"), Soon()).ok());
  ASSERT_TRUE(worker.WaitMembers(1));
  const int64_t old_lease = worker.client.lease_id();
  store->ExpireLease(old_lease);
  ASSERT_TRUE(worker.Wait([&] {
    const int64_t lease = worker.client.lease_id();
    return lease != 0 && lease != old_lease && worker.client.Members(Role::kDecode).size() == 1;
  }));
}

TEST(ClusterClient, WrongOrRepeatedRegistrationIsRefused) {
  const auto store = MakeMemoryStore();
  Node worker(*store);
  EXPECT_TRUE(absl::IsInvalidArgument(worker.client.Register(Decode(""), Soon())));
  EXPECT_TRUE(absl::IsInvalidArgument(worker.client.Register(Decode("a/b"), Soon())));
  EXPECT_TRUE(absl::IsDeadlineExceeded(worker.client.Register(Decode("d0"), Now())));
  ASSERT_TRUE(
      worker.client.Register(Decode("d0"), Soon()).ok());  // a failed attempt may be repeated
  EXPECT_TRUE(absl::IsFailedPrecondition(worker.client.Register(Decode("d0"), Soon())));
}

TEST(ClusterClient, ClustersDoNotSeeEachOther) {
  const auto store = MakeMemoryStore();
  Node worker(*store, "a"), same(*store, "a"), other(*store, "ab");
  ASSERT_TRUE(worker.client.Register(Decode("d0"), Soon()).ok());
  ASSERT_TRUE(same.WaitMembers(1));
  EXPECT_TRUE(other.client.Members(Role::kDecode).empty());
}

TEST(ClusterClient, PlacementIsPublishedOnceAnEpoch) {
  const auto store = MakeMemoryStore();
  Node planner(*store), router(*store);
  EXPECT_EQ(router.client.Placement()->epoch, 0u);
  ASSERT_TRUE(planner.client.PublishPlacement(Map(1), Soon()).ok());
  ASSERT_TRUE(router.Wait([&] { return router.client.Placement()->epoch == 1; }));
  EXPECT_EQ(router.client.Placement()->layers, Map(1).layers);
  EXPECT_TRUE(absl::IsAborted(planner.client.PublishPlacement(Map(1), Soon())));
  EXPECT_TRUE(absl::IsAborted(planner.client.PublishPlacement(Map(3), Soon())));
  ASSERT_TRUE(planner.client.PublishPlacement(Map(2), Soon()).ok());
  ASSERT_TRUE(router.Wait([&] { return router.client.Placement()->epoch == 2; }));
}

TEST(ClusterClient, VanishedPlacementStaysKnownAndMayBeReplaced) {
  const auto store = MakeMemoryStore();
  Node node(*store);
  ASSERT_TRUE(node.client.PublishPlacement(Map(7), Soon()).ok());
  ASSERT_TRUE(node.Wait([&] { return node.client.Placement()->epoch == 7; }));
  ASSERT_TRUE(store->Delete(PlacementKey("default"), Soon()).ok());
  ASSERT_TRUE(node.client.PublishPlacement(Map(8), Soon()).ok());
  ASSERT_TRUE(node.Wait([&] { return node.client.Placement()->epoch == 8; }));
}

TEST(ClusterClient, DamagedRecordsAreLeftOut) {
  const auto store = MakeMemoryStore();
  Node node(*store);
  ASSERT_TRUE(store->Put(MemberKey("default", Decode("bad")), "\xff\xff", 0, Soon()).ok());
  ASSERT_TRUE(
      store->Put(MemberKey("default", Decode("liar")), EncodeMember(Decode("x")), 0, Soon()).ok());
  ASSERT_TRUE(store->Put(PlacementKey("default"), "\xff\xff", 0, Soon()).ok());
  ASSERT_TRUE(
      store->Put(MemberKey("default", Decode("good")), EncodeMember(Decode("good")), 0, Soon())
          .ok());
  ASSERT_TRUE(node.WaitMembers(1));
  EXPECT_EQ(node.client.Members(Role::kDecode)[0].id, "good");
  EXPECT_EQ(node.client.Placement()->epoch, 0u);
  EXPECT_TRUE(node.client.PublishPlacement(Map(1), Soon()).ok());
}

TEST(ClusterClient, LeadershipFollowsTheLease) {
  const auto store = MakeMemoryStore();
  Node one(*store), two(*store);
  Queue<bool> first(10), second(10);
  ASSERT_TRUE(one.client.Register(Decode("d1"), Soon()).ok());
  ASSERT_TRUE(two.client.Register(Decode("d2"), Soon()).ok());
  const auto a = one.client.Campaign("eplb", [&](bool leader) { first.TryPush(bool{leader}); });
  EXPECT_EQ(first.Pop(Soon()), true);
  auto b = two.client.Campaign("eplb", [&](bool leader) { second.TryPush(bool{leader}); });
  store->ExpireLease(one.client.lease_id());
  EXPECT_EQ(first.Pop(Soon()), false);
  EXPECT_EQ(second.Pop(Soon()), true);
  EXPECT_TRUE(b->IsLeader());
  b.reset();  // resigns: the first one, under its new lease, takes over
  EXPECT_EQ(first.Pop(Soon()), true);
  one.client.Withdraw();
  EXPECT_EQ(first.Pop(Soon()), false);
  EXPECT_FALSE(a->IsLeader());
}

TEST(ClusterClient, NoCallbackAfterTheHandleIsGone) {
  const auto store = MakeMemoryStore();
  Node node(*store), witness(*store);
  Queue<int> calls(100);
  auto handle = node.client.OnChange([&] { calls.TryPush(1); });
  EXPECT_TRUE(calls.Pop(Soon()).has_value());  // once soon after the call
  handle.reset();
  while (calls.TryPop().has_value()) {
  }
  ASSERT_TRUE(witness.client.Register(Decode("d0"), Soon()).ok());
  ASSERT_TRUE(node.WaitMembers(1));
  EXPECT_EQ(calls.size(), 0u);
}

TEST(Records, PlacementSurvivesTheRoundTrip) {
  const auto map = DecodePlacement(EncodePlacement(Map(9)));
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_EQ(map->epoch, 9u);
  EXPECT_EQ(map->layers, Map(9).layers);
  EXPECT_EQ(absl::StatusCode::kDataLoss, DecodePlacement("\xff").status().code());
}

TEST(Records, KeysAreWhereTheyAreSaidToBe) {
  EXPECT_EQ(MemberKey("c", Decode("d0")), "/conclave/c/members/decode/d0");
  EXPECT_EQ(MemberIdOfKey("c", "/conclave/c/members/decode/d0"), "d0");
  EXPECT_EQ(MemberIdOfKey("c", "/conclave/cc/members/decode/d0"), "");
  EXPECT_EQ(MemberIdOfKey("c", PlacementKey("c")), "");
}

}  // namespace
}  // namespace conclave
