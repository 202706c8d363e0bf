#include "services/expert_host/widen_placement.h"

#include <gtest/gtest.h>

namespace conclave {
namespace {

const PlacementHost kA{"a", 1}, kB{"b", 2}, kC{"c", 3};

PlacementMap Map(uint64_t epoch, const std::vector<std::vector<PlacementHost>>& experts) {
  PlacementMap map{.epoch = epoch};
  map.layers.resize(2);  // the first one is dense
  for (const auto& hosts : experts) {
    std::vector<ExpertReplica> replicas;
    for (const PlacementHost& host : hosts) {
      replicas.push_back({host.id, host.incarnation, 1.0f / static_cast<float>(hosts.size())});
    }
    map.layers[1].push_back(replicas);
  }
  return map;
}

TEST(WidenPlacementTest, NothingToDoWhenEveryExpertKeepsAHost) {
  const PlacementMap current = Map(4, {{kA, kB}, {kA, kB}});
  EXPECT_FALSE(WidenPlacement(current, Map(5, {{kA, kC}, {kB, kC}}), {kA, kB, kC}).has_value());
}

TEST(WidenPlacementTest, ReplacedCopiesKeepTheTrafficUntilTheNewOnesAreLoaded) {
  const PlacementMap current = Map(4, {{kA}, {kA}});
  const auto wide = WidenPlacement(current, Map(5, {{kA}, {kB}}), {kA, kB});
  ASSERT_TRUE(wide.has_value());
  EXPECT_EQ(wide->epoch, 5u);
  EXPECT_EQ(wide->layers[1][0], (std::vector<ExpertReplica>{{"a", 1, 1}}));
  EXPECT_EQ(wide->layers[1][1], (std::vector<ExpertReplica>{{"a", 1, 1}, {"b", 2, 0}}));
  EXPECT_EQ(ValidatePlacement(*wide, {.layers = 2, .first_moe_layer = 1, .experts = 2}),
            absl::OkStatus());
}

TEST(WidenPlacementTest, DeadCopiesAreNotKept) {
  const PlacementMap current = Map(4, {{kA}, {kB}});
  // kA is gone: nobody has expert 0, and expert 1 stays where it is.
  EXPECT_FALSE(WidenPlacement(current, Map(5, {{kB}, {kB}}), {kB}).has_value());
  // The same id under another incarnation is another host.
  const PlacementHost reborn{"a", 9};
  EXPECT_FALSE(WidenPlacement(current, Map(5, {{reborn}, {kB}}), {reborn, kB}).has_value());
}

TEST(WidenPlacementTest, HostsOfNamesEachOnce) {
  EXPECT_EQ(HostsOf(Map(1, {{kC, kA}, {kA, kB}})), (std::vector<PlacementHost>{kA, kB, kC}));
}

}  // namespace
}  // namespace conclave
