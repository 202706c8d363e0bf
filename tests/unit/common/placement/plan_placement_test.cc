#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>

#include "common/placement/placement.h"

namespace conclave {
namespace {

struct Case {
  PlacementShape shape;
  std::vector<PlacementHost> hosts;
  int replicas = 1;
};

Case RandomCase(std::mt19937& random) {
  const auto pick = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  Case c;
  c.shape = {pick(1, 5), 0, pick(1, 40)};
  c.shape.first_moe_layer = pick(0, c.shape.layers);
  c.replicas = pick(1, 4);
  const int hosts = pick(1, 9);
  for (int h = 0; h < hosts; ++h)
    c.hosts.push_back({"host-" + std::to_string(h), static_cast<Incarnation>(pick(1, 3))});
  std::shuffle(c.hosts.begin(), c.hosts.end(), random);
  return c;
}

// (layer, expert, host with its incarnation): one copy.
using Copy = std::tuple<size_t, size_t, std::string, Incarnation>;
std::set<Copy> Copies(const PlacementMap& map) {
  std::set<Copy> copies;
  for (size_t l = 0; l < map.layers.size(); ++l) {
    for (size_t e = 0; e < map.layers[l].size(); ++e) {
      for (const ExpertReplica& r : map.layers[l][e]) copies.insert({l, e, r.host, r.incarnation});
    }
  }
  return copies;
}

int Common(const std::set<Copy>& a, const std::set<Copy>& b) {
  return static_cast<int>(
      std::count_if(a.begin(), a.end(), [&](const Copy& c) { return b.count(c) != 0; }));
}

void ExpectEven(const PlacementMap& map, const Case& c) {
  for (int l = c.shape.first_moe_layer; l < c.shape.layers; ++l) {
    std::map<std::string, int> slots;
    for (const PlacementHost& host : c.hosts) slots[host.id] = 0;
    for (const auto& replicas : map.layers[l]) {
      ASSERT_EQ(replicas.size(), std::min<size_t>(c.replicas, c.hosts.size()));
      for (const ExpertReplica& r : replicas) {
        ASSERT_NE(std::find(c.hosts.begin(), c.hosts.end(), PlacementHost{r.host, r.incarnation}),
                  c.hosts.end());
        ++slots[r.host];
      }
    }
    int least = 1 << 30, most = 0;
    for (const auto& [host, count] : slots) {
      least = std::min(least, count);
      most = std::max(most, count);
    }
    ASSERT_LE(most - least, 1) << "layer " << l;
  }
}

PlacementMap Plan(const Case& c, const PlacementMap& previous) {
  auto map = PlanPlacement(c.shape, c.hosts, c.replicas, previous);
  EXPECT_TRUE(map.ok()) << map.status();
  EXPECT_TRUE(ValidatePlacement(*map, c.shape).ok());
  EXPECT_EQ(map->epoch, previous.epoch + 1);
  ExpectEven(*map, c);
  return *std::move(map);
}

TEST(PlanPlacement, RandomShapesAreValidEvenAndDeterministic) {
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    Case c = RandomCase(random);
    const PlacementMap map = Plan(c, {});
    std::shuffle(c.hosts.begin(), c.hosts.end(), random);
    EXPECT_EQ(Plan(c, {}).layers, map.layers);
  }
}

TEST(PlanPlacement, UnchangedHostsMoveNothing) {
  std::mt19937 random(2);
  for (int round = 0; round < 100; ++round) {
    const Case c = RandomCase(random);
    const PlacementMap map = Plan(c, {});
    EXPECT_EQ(Plan(c, map).layers, map.layers);
  }
}

TEST(PlanPlacement, SurvivorsKeepWhatTheyCanWhenAHostLeaves) {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    Case c = RandomCase(random);
    if (c.hosts.size() <= static_cast<size_t>(c.replicas)) continue;  // fewer copies afterwards
    const PlacementMap map = Plan(c, {});
    const std::string gone = c.hosts.back().id;
    c.hosts.pop_back();
    const std::set<Copy> before = Copies(map), after = Copies(Plan(c, map));
    const int lost = static_cast<int>(std::count_if(
        before.begin(), before.end(), [&](const Copy& copy) { return std::get<2>(copy) == gone; }));
    const int survived = static_cast<int>(before.size()) - lost;
    // With one copy each nothing else has to move. With more, evenness and distinct hosts together
    // may force another copy to make room, at most one for each that was lost.
    EXPECT_GE(Common(before, after), c.replicas == 1 ? survived : survived - lost)
        << "round " << round;
  }
}

TEST(PlanPlacement, AJoiningHostGetsItsShareAndNothingElseMoves) {
  std::mt19937 random(4);
  for (int round = 0; round < 200; ++round) {
    Case c = RandomCase(random);
    if (c.hosts.size() < static_cast<size_t>(c.replicas)) continue;  // more copies afterwards
    const PlacementMap map = Plan(c, {});
    c.hosts.push_back({"new", 1});
    const std::set<Copy> before = Copies(map), after = Copies(Plan(c, map));
    const int on_new = static_cast<int>(std::count_if(
        after.begin(), after.end(), [](const Copy& copy) { return std::get<2>(copy) == "new"; }));
    EXPECT_EQ(Common(before, after), static_cast<int>(before.size()) - on_new);
  }
}

TEST(PlanPlacement, ArbitraryChangesStayValidAndEven) {
  std::mt19937 random(5);
  for (int round = 0; round < 100; ++round) {
    PlacementMap map;
    Case first = RandomCase(random);
    for (int step = 0; step < 6; ++step) {
      Case c = RandomCase(random);
      if (step % 3 != 0) c.shape = first.shape;  // now and then another model altogether
      map = Plan(c, map);
    }
  }
}

TEST(PlanPlacement, ARestartedHostHoldsNothing) {
  const Case c{{1, 0, 8}, {{"a", 1}, {"b", 1}}, 1};
  const PlacementMap map = Plan(c, {});
  Case restarted = c;
  restarted.hosts[0].incarnation = 2;
  const PlacementMap next = Plan(restarted, map);
  for (const auto& replicas : next.layers[0]) {
    EXPECT_EQ(replicas[0].incarnation, replicas[0].host == "a" ? 2u : 1u);
  }
}

TEST(PlanPlacement, WrongInputIsRefused) {
  EXPECT_TRUE(absl::IsFailedPrecondition(PlanPlacement({1, 0, 4}, {}, 1, {}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(PlanPlacement({1, 0, 4}, {{"a", 1}}, 0, {}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(PlanPlacement({1, 0, 0}, {{"a", 1}}, 1, {}).status()));
  EXPECT_TRUE(
      absl::IsInvalidArgument(PlanPlacement({1, 0, 4}, {{"a", 1}, {"a", 2}}, 1, {}).status()));
}

TEST(ValidatePlacement, NamesWhatIsWrong) {
  const PlacementShape shape{2, 1, 2};
  const PlacementMap good = *PlanPlacement(shape, {{"a", 1}, {"b", 1}}, 2, {});
  ASSERT_TRUE(ValidatePlacement(good, shape).ok());
  PlacementMap map = good;
  map.layers[1][0].clear();
  EXPECT_NE(Message(ValidatePlacement(map, shape)).find("layer 1 expert 0"), std::string::npos);
  map = good;
  map.layers[1][1][0].share = 0.9f;
  EXPECT_FALSE(ValidatePlacement(map, shape).ok());
  map = good;
  map.layers[1][1][0].host = map.layers[1][1][1].host;
  EXPECT_FALSE(ValidatePlacement(map, shape).ok());
  map = good;
  map.layers.pop_back();
  EXPECT_FALSE(ValidatePlacement(map, shape).ok());
}

}  // namespace
}  // namespace conclave
