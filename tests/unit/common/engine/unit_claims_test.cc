#include "common/engine/unit_claims.h"

#include <gtest/gtest.h>

#include <thread>

namespace conclave {
namespace {

TEST(UnitClaims, WorkersTakeTheirOwnPartInOrderAndThenWhatIsLeft) {
  UnitClaims claims(10, 17, 2);
  EXPECT_EQ(claims.Peek(1), 13);
  EXPECT_EQ(claims.Claim(1), 13);  // the second part is 13 .. 16
  EXPECT_EQ(claims.Claim(0), 10);
  EXPECT_EQ(claims.Peek(0), 11);
  EXPECT_EQ(claims.Claim(0), 11);
  EXPECT_EQ(claims.Claim(0), 12);
  EXPECT_EQ(claims.Peek(0), 14);  // of the other's part, which may still take it
  EXPECT_EQ(claims.Claim(1), 14);
  EXPECT_EQ(claims.Claim(0), 15);
  EXPECT_EQ(claims.Claim(1), 16);
  EXPECT_EQ(claims.Peek(0), -1);
  EXPECT_EQ(claims.Claim(0), -1);
  EXPECT_EQ(claims.Claim(1), -1);
}

TEST(UnitClaims, EveryUnitIsTakenOnceByAnyThreads) {
  constexpr int kUnits = 5000, kWorkers = 3;
  UnitClaims claims(0, kUnits, kWorkers);
  std::vector<std::vector<int>> taken(kWorkers);
  std::vector<std::thread> threads;
  for (int i = 0; i < kWorkers; ++i) {
    threads.emplace_back([&, i] {
      for (int unit = claims.Claim(i); unit >= 0; unit = claims.Claim(i)) taken[i].push_back(unit);
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<int> times(kUnits);
  for (const auto& units : taken)
    for (int unit : units) ++times[unit];
  EXPECT_EQ(times, std::vector<int>(kUnits, 1));
}

TEST(UnitClaims, MoreWorkersThanUnits) {
  UnitClaims claims(0, 1, 4);
  int taken = 0;
  for (int i = 0; i < 4; ++i) taken += claims.Claim(i) == 0;
  EXPECT_EQ(taken, 1);
}

}  // namespace
}  // namespace conclave
