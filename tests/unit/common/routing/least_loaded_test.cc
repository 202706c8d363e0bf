#include "common/routing/least_loaded.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace conclave {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

TEST(RankByLoad, ComparesLoadRelativeToCapacity) {
  EXPECT_THAT(RankByLoad({{"small", 2, 4}, {"big", 10, 64}, {"idle", 0, 1}}, 1),
              ElementsAre("idle", "big", "small"));
}

TEST(RankByLoad, FullWorkersComeLastAndThoseWithoutCapacityNotAtAll) {
  EXPECT_THAT(RankByLoad({{"full", 4, 4}, {"over", 9, 4}, {"none", 0, 0}, {"busy", 3, 4}}, 1),
              ElementsAre("busy", "full", "over"));
  EXPECT_TRUE(RankByLoad({}, 1).empty());
}

TEST(RankByLoad, DoesNotDependOnTheOrderOfTheList) {
  std::vector<WorkerLoad> workers = {
      {"a", 1, 2}, {"b", 2, 4}, {"c", 0, 8}, {"d", 4, 8}, {"e", 0, 2}};
  const std::vector<std::string> ranked = RankByLoad(workers, 77);
  std::sort(workers.begin(), workers.end(),
            [](const auto& x, const auto& y) { return x.id < y.id; });
  do {
    EXPECT_EQ(RankByLoad(workers, 77), ranked);
  } while (std::next_permutation(workers.begin(), workers.end(),
                                 [](const auto& x, const auto& y) { return x.id < y.id; }));
}

TEST(RankByLoad, TiesAreSharedEvenlyByRequests) {
  std::map<std::string, int> first;
  for (uint64_t request = 0; request < 3000; ++request) {
    ++first[RankByLoad({{"a", 1, 4}, {"b", 1, 4}, {"c", 2, 8}}, request)[0]];
  }
  for (const auto& [id, count] : first) EXPECT_NEAR(count, 1000, 150) << id;
  EXPECT_EQ(first.size(), 3u);
}

}  // namespace
}  // namespace conclave
