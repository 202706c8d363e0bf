#include "common/base/ids.h"

#include <gtest/gtest.h>

#include <set>

#include "common/base/digest.h"

namespace conclave {
namespace {

TEST(IdsTest, NeverZeroAndDistinct) {
  std::set<uint64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(RandomId());
  EXPECT_EQ(seen.size(), 1000u);
  EXPECT_EQ(seen.count(0), 0u);
}

TEST(IdsTest, NamesCarryPrefixAndLength) {
  const std::string name = RandomName("cmpl");
  EXPECT_EQ(name.rfind("cmpl-", 0), 0u);
  EXPECT_EQ(name.size(), 5u + 24u);
}

TEST(DigestTest, FindsAFlippedBit) {
  std::string data(1000, 'x');
  const uint64_t before = Digest(data.data(), data.size());
  data[577] ^= 1;
  EXPECT_NE(Digest(data.data(), data.size()), before);
  EXPECT_EQ(Digest(nullptr, 0), Digest(data.data(), 0));
}

}  // namespace
}  // namespace conclave
