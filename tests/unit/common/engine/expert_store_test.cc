#include "common/engine/expert_store.h"

#include <gmock/gmock.h>

#include <thread>

#include "tests/unit/common/engine/small_model.h"

namespace conclave {
namespace {

using testing::HasSubstr;

class ExpertStoreTest : public testing::Test {
 protected:
  std::shared_ptr<ExpertStore> store_ =
      *ExpertStore::Open(GoldenDir("deepseek_v3-fp8-yarn"), ComputeMode::kF32);
};

TEST_F(ExpertStoreTest, StartsEmptyAndCountsItsBytes) {
  EXPECT_EQ(store_->held(), 0);
  EXPECT_EQ(store_->resident_bytes(), 0);
  EXPECT_FALSE(store_->Holds(2, 0));
  ASSERT_TRUE(store_->Load(2, 0).ok());
  ASSERT_TRUE(store_->Load(2, 0).ok());  // again: nothing to do
  EXPECT_TRUE(store_->Holds(2, 0));
  EXPECT_EQ(store_->held(), 1);
  const int64_t one = store_->resident_bytes();
  EXPECT_GT(one, 192 * 40 * 3);
  ASSERT_TRUE(store_->Load(5, 15).ok());  // the MTP layer's
  EXPECT_EQ(store_->resident_bytes(), 2 * one);
  ASSERT_TRUE(store_->Unload(2, 0).ok());
  EXPECT_EQ(store_->resident_bytes(), one);
  EXPECT_EQ(store_->Unload(2, 0).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(ExpertStoreTest, RangesAreChecked) {
  EXPECT_THAT(Message(store_->Load(1, 0)),
              HasSubstr("layer 1 has no routed experts; layers 2..5 do"));
  EXPECT_THAT(Message(store_->Load(6, 0)), HasSubstr("layer 6"));
  EXPECT_THAT(Message(store_->Load(2, 16)), HasSubstr("expert 16 of layer 2 lies outside 0..15"));
  EXPECT_EQ(store_->Load(2, -1).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(store_->Holds(99, 99));
}

TEST(ExpertStore, AModelWithoutExpertsHoldsNone) {
  const auto store = ExpertStore::Open(GoldenDir("llama-gqa"), ComputeMode::kF32);
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_THAT(Message((*store)->Load(0, 0)), HasSubstr("a llama model has no routed experts"));
  EXPECT_TRUE((*store)->LoadAll(true).ok());
  EXPECT_EQ((*store)->held(), 0);
  EXPECT_TRUE((*store)->Loads().empty());
}

TEST_F(ExpertStoreTest, AReaderKeepsWhatIsUnloaded) {
  ASSERT_TRUE(store_->Load(3, 7).ok());
  const auto weights = store_->Find(3, 7);
  ASSERT_TRUE(weights.ok());
  ASSERT_TRUE(store_->Unload(3, 7).ok());
  EXPECT_EQ(weights->use_count(), 1);
  EXPECT_THAT(Message(store_->Find(3, 7).status()), HasSubstr("expert 7 of layer 3 is not held"));
}

TEST_F(ExpertStoreTest, LoadsAndUnloadsFromManyThreads) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int e = 0; e < 16; ++e) {
        EXPECT_TRUE(store_->Load(2, e).ok());
        EXPECT_TRUE(store_->Find(2, e).ok());
        store_->CountTokens(2, e, t + 1);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(store_->held(), 16);
  const auto loads = store_->Loads();
  ASSERT_EQ(loads.size(), 16u);
  EXPECT_EQ(loads[3].expert, 3);
  EXPECT_EQ(loads[3].tokens, 10u);
}

TEST_F(ExpertStoreTest, SameFingerprintAsTheModelAndAnotherPerMode) {
  EXPECT_EQ(store_->fingerprint(),
            SmallModel("deepseek_v3-fp8-yarn", ComputeMode::kF32)->fingerprint());
  EXPECT_NE(store_->fingerprint(),
            SmallModel("deepseek_v3-fp8-yarn", ComputeMode::kBF16)->fingerprint());
  EXPECT_NE(store_->fingerprint(),
            SmallModel("deepseek_v3-bf16", ComputeMode::kF32)->fingerprint());
}

TEST(ExpertStore, AMissingFolderIsNamed) {
  const auto store = ExpertStore::Open("/nonexistent", ComputeMode::kF32);
  EXPECT_THAT(Message(store.status()), HasSubstr("/nonexistent"));
}

}  // namespace
}  // namespace conclave
