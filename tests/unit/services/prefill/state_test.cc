#include "services/prefill/state.h"

#include <gtest/gtest.h>

#include "common/engine/kv_cache.h"

namespace conclave {
namespace {

class PrefillStateTest : public testing::Test {
 protected:
  PromptPtr Make(int pages, std::chrono::milliseconds deadline = std::chrono::minutes(1)) {
    auto prompt = std::make_shared<Prompt>();
    prompt->job.prompt_ids.resize(static_cast<size_t>(pages) * kPageTokens);
    prompt->deadline = After(deadline);
    prompt->done = [this](absl::StatusOr<PrefillResult> result) {
      ended_.push_back(result.status().code());
    };
    return prompt;
  }

  MetricRegistry registry_;
  PrefillMetrics metrics_{registry_};
  PrefillState state_{4, 3, metrics_};
  std::vector<absl::StatusCode> ended_;
};

TEST_F(PrefillStateTest, FirstComeFirstServedWithinThePages) {
  const PromptPtr a = Make(3), b = Make(2), c = Make(1);
  for (const PromptPtr& prompt : {a, b, c}) ASSERT_EQ(state_.Submit(prompt), absl::OkStatus());
  std::vector<PromptPtr> computing;
  ASSERT_TRUE(state_.WaitForWork(&computing));
  EXPECT_EQ(computing, std::vector<PromptPtr>{a});  // c would fit, but b came before
  EXPECT_EQ(state_.counts().waiting, 2);
  EXPECT_EQ(state_.counts().free_pages, 1);
  state_.StartEnding(a);
  EXPECT_EQ(state_.counts().ending, 1);
  state_.End(a, PrefillResult{});
  computing.clear();
  ASSERT_TRUE(state_.WaitForWork(&computing));
  EXPECT_EQ(computing, (std::vector<PromptPtr>{b, c}));
  EXPECT_EQ(ended_, std::vector<absl::StatusCode>{absl::StatusCode::kOk});
}

TEST_F(PrefillStateTest, RefusesWhatNeverFitsAndWhatIsTooMuch) {
  EXPECT_EQ(state_.Submit(Make(5)).code(), absl::StatusCode::kInvalidArgument);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(state_.Submit(Make(1)), absl::OkStatus());
  EXPECT_EQ(state_.Submit(Make(1)).code(), absl::StatusCode::kResourceExhausted);
  state_.Drain();
  EXPECT_EQ(state_.Submit(Make(1)).code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(ended_.empty());
}

TEST_F(PrefillStateTest, CancelledAndLatePromptsLeaveTheQueue) {
  const PromptPtr cancelled = Make(1), late = Make(1, std::chrono::milliseconds(0)), good = Make(1);
  for (const PromptPtr& prompt : {cancelled, late, good})
    ASSERT_EQ(state_.Submit(prompt), absl::OkStatus());
  state_.Cancel(cancelled);
  EXPECT_EQ(ended_, std::vector<absl::StatusCode>{absl::StatusCode::kCancelled});
  std::vector<PromptPtr> computing;
  ASSERT_TRUE(state_.WaitForWork(&computing));
  EXPECT_EQ(computing, std::vector<PromptPtr>{good});
  ASSERT_EQ(ended_.size(), 2u);
  EXPECT_EQ(ended_[1], absl::StatusCode::kDeadlineExceeded);
  state_.Cancel(good);  // its owner ends it at the next chunk
  EXPECT_EQ(ended_.size(), 2u);
  EXPECT_EQ(good->Alive().code(), absl::StatusCode::kCancelled);
}

TEST_F(PrefillStateTest, EvictionEndsEverythingAndStopEndsTheLoop) {
  ASSERT_EQ(state_.Submit(Make(1)), absl::OkStatus());
  state_.EvictAll();
  EXPECT_EQ(ended_, std::vector<absl::StatusCode>{absl::StatusCode::kUnavailable});
  EXPECT_TRUE(state_.WaitIdle(Now()));
  state_.Stop();
  std::vector<PromptPtr> computing;
  EXPECT_FALSE(state_.WaitForWork(&computing));
}

}  // namespace
}  // namespace conclave
