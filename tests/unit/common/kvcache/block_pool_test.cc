#include "common/kvcache/block_pool.h"

#include <gtest/gtest.h>

#include <set>

namespace conclave {
namespace {

TEST(BlockPool, GivesDistinctPagesAllOrNothing) {
  BlockPool pool(5);
  const auto first = pool.Allocate(3);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(pool.free(), 2);
  const auto refused = pool.Allocate(3);
  EXPECT_TRUE(absl::IsResourceExhausted(refused.status()));
  EXPECT_NE(Message(refused.status()).find("2 of 5"), std::string::npos) << refused.status();
  EXPECT_EQ(pool.free(), 2);
  const auto second = pool.Allocate(2);
  ASSERT_TRUE(second.ok());
  std::set<int32_t> pages(first->begin(), first->end());
  pages.insert(second->begin(), second->end());
  EXPECT_EQ(pages, (std::set<int32_t>{0, 1, 2, 3, 4}));
}

TEST(BlockPool, ReusesTheWarmestPagesFirst) {
  BlockPool pool(8);
  const auto pages = *pool.Allocate(4);
  pool.Free(pages);
  EXPECT_EQ(*pool.Allocate(4), pages);
}

TEST(BlockPool, QuarantinedPagesAreNeitherFreeNorGivenOut) {
  BlockPool pool(4);
  const auto pages = *pool.Allocate(3);
  pool.Quarantine(pages);
  EXPECT_EQ(pool.free(), 1);
  EXPECT_EQ(pool.quarantined(), 3);
  EXPECT_FALSE(pool.Allocate(2).ok());
  pool.Release(pages);
  EXPECT_EQ(pool.free(), 4);
  EXPECT_EQ(pool.quarantined(), 0);
}

TEST(BlockPool, NoPagesIsFineANegativeNumberIsNot) {
  BlockPool pool(0);
  EXPECT_TRUE(pool.Allocate(0)->empty());
  EXPECT_TRUE(absl::IsInvalidArgument(pool.Allocate(-1).status()));
}

TEST(BlockPoolDeathTest, DoubleFreeIsABug) {
  BlockPool pool(2);
  const auto pages = *pool.Allocate(1);
  pool.Free(pages);
  EXPECT_DEATH(pool.Free(pages), "check failed");
  EXPECT_DEATH(pool.Quarantine(pages), "check failed");
  EXPECT_DEATH(pool.Release(pages), "check failed");
  EXPECT_DEATH(pool.Free({7}), "check failed");
}

}  // namespace
}  // namespace conclave
