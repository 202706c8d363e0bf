#include "common/engine/local_experts.h"

#include <gmock/gmock.h>

#include "kernels/quant/quant.h"
#include "tests/unit/common/engine/small_model.h"

namespace conclave {
namespace {

using testing::HasSubstr;

constexpr int kHidden = 192, kRows = 40;

class LocalExpertsTest : public testing::TestWithParam<ComputeMode> {
 protected:
  std::shared_ptr<ExpertStore> store_ =
      *ExpertStore::Open(GoldenDir("deepseek_v3-fp8-yarn"), GetParam());
  ThreadPool pool_{2, 0};
  std::vector<float> rows_ = std::vector<float>(kRows * kHidden);
  std::vector<uint16_t> halves_ = std::vector<uint16_t>(kRows * kHidden);
  std::vector<ExpertPick> picks_;

  void SetUp() override {
    std::mt19937 engine(1);
    std::normal_distribution<float> normal;
    for (float& value : rows_) value = normal(engine);
    kernels::RoundToBf16(rows_.data(), rows_.size());
    kernels::EncodeBf16Row(rows_.data(), rows_.size(), halves_.data());
    for (uint32_t row = 0; row < kRows; ++row)
      for (uint32_t expert = row % 3; expert < 16; expert += 3 + row % 4)
        picks_.push_back({row, expert});
  }
  RoutedRows Rows(std::span<const ExpertPick> picks) const {
    const void* rows =
        GetParam() == ComputeMode::kF32 ? static_cast<const void*>(rows_.data()) : halves_.data();
    return {.layer = 3,
            .num_rows = kRows,
            .hidden = kHidden,
            .mode = GetParam(),
            .rows = rows,
            .picks = picks};
  }
  absl::Status Compute(LocalExperts& experts, const RoutedRows& rows, std::vector<float>* out) {
    out->assign(rows.picks.size() * kHidden, -1);
    ASSIGN_OR_RETURN(auto call, experts.Dispatch(rows, out->data()));
    return call->Wait();
  }
};

TEST_P(LocalExpertsTest, APicksAnswerDoesNotDependOnTheOthers) {
  ASSERT_TRUE(store_->LoadAll(true).ok());
  LocalExperts experts(store_, pool_);
  std::vector<float> all, single;
  ASSERT_TRUE(Compute(experts, Rows(picks_), &all).ok());
  for (size_t i = 0; i < picks_.size(); i += 5) {
    ASSERT_TRUE(Compute(experts, Rows({&picks_[i], 1}), &single).ok());
    EXPECT_EQ(single,
              std::vector<float>(all.begin() + i * kHidden, all.begin() + (i + 1) * kHidden))
        << i;
  }
}

TEST_P(LocalExpertsTest, ASubsetOfTheExpertsGivesTheSameBitsAndCounts) {
  ASSERT_TRUE(store_->LoadAll(false).ok());
  LocalExperts everything(store_, pool_);
  std::vector<float> all, some;
  ASSERT_TRUE(Compute(everything, Rows(picks_), &all).ok());
  const auto half = *ExpertStore::Open(GoldenDir("deepseek_v3-fp8-yarn"), GetParam());
  for (int e = 0; e < 16; e += 2) ASSERT_TRUE(half->Load(3, e).ok());
  LocalExperts experts(half, pool_);
  std::vector<ExpertPick> even;
  std::vector<float> expected;
  for (size_t i = 0; i < picks_.size(); ++i) {
    if (picks_[i].expert % 2 != 0) continue;
    even.push_back(picks_[i]);
    expected.insert(expected.end(), all.begin() + i * kHidden, all.begin() + (i + 1) * kHidden);
  }
  ASSERT_TRUE(Compute(experts, Rows(even), &some).ok());
  EXPECT_EQ(some, expected);
  uint64_t tokens = 0;
  for (const ExpertLoad& load : half->Loads()) {
    EXPECT_EQ(load.layer, 3);
    tokens += load.tokens;
  }
  EXPECT_EQ(tokens, even.size());
}

TEST_P(LocalExpertsTest, WhatIsNotHeldOrOutOfRangeIsNamed) {
  ASSERT_TRUE(store_->Load(3, 0).ok());
  LocalExperts experts(store_, pool_);
  std::vector<float> out;
  const std::vector<ExpertPick> missing = {{0, 0}, {0, 9}}, bad_row = {{kRows, 0}},
                                bad_expert = {{0, 16}};
  auto status = Compute(experts, Rows(missing), &out);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(status), HasSubstr("expert 9 of layer 3 is not held"));
  EXPECT_THAT(Message(Compute(experts, Rows(bad_row), &out)), HasSubstr("row 40 out of 40"));
  EXPECT_THAT(Message(Compute(experts, Rows(bad_expert), &out)), HasSubstr("expert 16"));
  RoutedRows wrong = Rows(missing);
  wrong.mode = GetParam() == ComputeMode::kF32 ? ComputeMode::kBF16 : ComputeMode::kF32;
  EXPECT_THAT(Message(Compute(experts, wrong, &out)), HasSubstr("rows of mode"));
  wrong = Rows(missing);
  wrong.layer = 0;
  EXPECT_THAT(Message(Compute(experts, wrong, &out)), HasSubstr("layer 0 has no routed experts"));
}

TEST_P(LocalExpertsTest, AnExpertUnloadedDuringACallIsStillComputed) {
  ASSERT_TRUE(store_->Load(3, 0).ok());
  LocalExperts experts(store_, pool_);
  const std::vector<ExpertPick> pick = {{0, 0}};
  std::vector<float> before, after(kHidden);
  ASSERT_TRUE(Compute(experts, Rows(pick), &before).ok());
  auto call = experts.Dispatch(Rows(pick), after.data());
  ASSERT_TRUE(call.ok());
  ASSERT_TRUE(store_->Unload(3, 0).ok());
  ASSERT_TRUE((*call)->Wait().ok());
  EXPECT_EQ(after, before);
}

INSTANTIATE_TEST_SUITE_P(Modes, LocalExpertsTest,
                         testing::Values(ComputeMode::kF32, ComputeMode::kBF16));

}  // namespace
}  // namespace conclave
