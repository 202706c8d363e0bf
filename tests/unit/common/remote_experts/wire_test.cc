#include "common/remote_experts/wire.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "common/base/digest.h"

namespace conclave {
namespace {

struct Batch {
  std::vector<float> memory;
  std::vector<ExpertPick> picks = {{0, 1}, {0, 4}, {2, 0}, {2, 3}, {2, 9}, {3, 1}};
  RoutedRows rows;
  Batch() {
    for (int i = 0; i < 4 * 8; ++i) memory.push_back(static_cast<float>(i));
    rows.layer = 5;
    rows.num_rows = 4;
    rows.hidden = 8;
    rows.rows = memory.data();
    rows.picks = picks;
  }
};

TEST(WireTest, EachNeededRowTravelsOnce) {
  Batch batch;
  const std::vector<uint32_t> chosen = {1, 3, 4, 5};  // rows 0, 2, 2, 3
  const DispatchMessage message = BuildDispatch(batch.rows, chosen);
  const auto parsed = ParseDispatch(HeaderBytes(message.header), message.payload);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(uint32_t{parsed->header.rows}, 3u);
  EXPECT_EQ(uint32_t{parsed->header.layer}, 5u);
  const std::vector<ExpertPick> expected = {{0, 4}, {1, 3}, {1, 9}, {2, 1}};
  ASSERT_EQ(parsed->picks.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(parsed->picks[i].row, expected[i].row);
    EXPECT_EQ(parsed->picks[i].expert, expected[i].expert);
  }
  ASSERT_EQ(parsed->rows.size(), 3 * 8 * sizeof(float));
  const int source[] = {0, 2, 3};
  for (int row = 0; row < 3; ++row) {
    EXPECT_EQ(
        std::memcmp(parsed->rows.data() + row * 32, batch.memory.data() + source[row] * 8, 32), 0);
  }
}

TEST(WireTest, SignedNonsenseIsRefused) {
  Batch batch;
  const std::vector<uint32_t> all = {0, 1, 2, 3, 4, 5};
  const DispatchMessage good = BuildDispatch(batch.rows, all);
  std::mt19937 random(1);
  int refused = 0;
  constexpr int kRounds = 20000;
  for (int i = 0; i < kRounds; ++i) {
    DispatchMessage bad = good;
    const uint32_t value = random() >> (random() % 32);
    switch (random() % 7) {
      case 0:
        bad.header.rows = value;
        break;
      case 1:
        bad.header.picks = value;
        break;
      case 2:
        bad.header.hidden = value;
        break;
      case 3:
        bad.header.mode = static_cast<uint8_t>(value);
        break;
      case 4:
        bad.payload.resize(value % 1000);
        break;
      case 5:
        std::memcpy(bad.payload.data() + 4 * (random() % 12), &value, 4);
        break;
      default:
        bad.header.layer = kMaxLayer + value % 100;
        break;
    }
    bad.header.digest = Digest(bad.payload.data(), bad.payload.size());
    const auto parsed = ParseDispatch(HeaderBytes(bad.header), bad.payload);
    refused += !parsed.ok();
    if (!parsed.ok()) continue;
    for (const ExpertPick& pick : parsed->picks) {
      ASSERT_LT(pick.row, uint32_t{parsed->header.rows});
      ASSERT_LT(pick.expert, kMaxExpert);
    }
    ASSERT_EQ(parsed->rows.size(),
              size_t{parsed->header.rows} * parsed->header.hidden *
                  ActivationBytes(static_cast<ComputeMode>(parsed->header.mode)));
  }
  EXPECT_GT(refused, kRounds / 2);
}

TEST(WireTest, ResultsAreChecked) {
  const std::vector<uint8_t> payload(2 * 4 * sizeof(float), 7);
  ResultHeader header;
  header.picks = 2;
  header.hidden = 4;
  header.digest = Digest(payload.data(), payload.size());
  EXPECT_TRUE(ParseResult(HeaderBytes(header), payload).ok());
  ResultHeader more = header;
  more.picks = 3;
  EXPECT_FALSE(ParseResult(HeaderBytes(more), payload).ok());
  ResultHeader wide = header;
  wide.picks = 0x80000000;
  wide.hidden = 0x80000000;  // the product wraps in 64 bits
  wide.digest = Digest(nullptr, 0);
  EXPECT_FALSE(ParseResult(HeaderBytes(wide), {}).ok());
  auto damaged = payload;
  damaged[3] ^= 1;
  EXPECT_EQ(ParseResult(HeaderBytes(header), damaged).status().code(), absl::StatusCode::kDataLoss);
  header.code = static_cast<uint8_t>(ResultCode::kNotHosted);
  const auto missing = ParseResult(HeaderBytes(header), payload);
  ASSERT_TRUE(missing.ok());
  EXPECT_EQ(missing->missing.size(), payload.size() / 4);
  header.code = 17;
  EXPECT_FALSE(ParseResult(HeaderBytes(header), payload).ok());
  EXPECT_FALSE(ParseResult({}, {}).ok());
}

}  // namespace
}  // namespace conclave
