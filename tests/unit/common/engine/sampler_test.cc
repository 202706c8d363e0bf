#include "common/engine/sampler.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <map>

namespace conclave {
namespace {

using testing::HasSubstr;

constexpr float kInf = std::numeric_limits<float>::infinity();

TEST(Sampler, GreedyTakesTheLargestAndTheSmallerIdOfEquals) {
  const std::vector<float> logits = {1, 3, 3, 2, 9};
  const auto token = Sample(logits, 4, {.temperature = 0}, 0);
  ASSERT_TRUE(token.ok());
  EXPECT_EQ(token->id, 1);  // id 4 lies beyond the usable vocabulary
  const double sum = std::exp(-2.0) + 1 + 1 + std::exp(-1.0);
  EXPECT_NEAR(token->logprob, -std::log(sum), 1e-6);
}

TEST(Sampler, LogprobsAreThoseOfTheUnmodifiedDistribution) {
  const std::vector<float> logits = {0, 1, 2};
  const double total = 1 + std::exp(1.0) + std::exp(2.0);
  const auto token =
      Sample(logits, 3, {.temperature = 0.01f, .top_p = 0.1f, .seed = 5, .top_logprobs = 20}, 3);
  ASSERT_TRUE(token.ok());
  EXPECT_EQ(token->id, 2);
  EXPECT_NEAR(token->logprob, 2 - std::log(total), 1e-6);
  ASSERT_EQ(token->top.size(), 3u);
  EXPECT_EQ(token->top[0].first, 2);
  EXPECT_EQ(token->top[2].first, 0);
  EXPECT_NEAR(token->top[2].second, -std::log(total), 1e-6);
}

TEST(Sampler, FrequenciesFollowTheDistribution) {
  std::vector<float> logits = {std::log(0.5f), std::log(0.3f), std::log(0.15f), std::log(0.05f)};
  std::map<TokenId, int> count, kept;
  const int draws = 20000;
  for (int position = 0; position < draws; ++position) {
    ++count[Sample(logits, 4, {.temperature = 1, .seed = 7}, position)->id];
    ++kept[Sample(logits, 4, {.temperature = 1, .top_p = 0.75f, .seed = 7}, position)->id];
  }
  EXPECT_NEAR(count[0] / double{draws}, 0.5, 0.02);
  EXPECT_NEAR(count[2] / double{draws}, 0.15, 0.02);
  EXPECT_EQ(kept.size(), 2u);  // 0.5 and 0.3 reach 0.75
  EXPECT_NEAR(kept[0] / double{draws}, 0.625, 0.02);
}

TEST(Sampler, DependsOnSeedChoiceAndPositionAlone) {
  const std::vector<float> logits(1000, 0.0f);
  const auto draw = [&](uint64_t seed, uint32_t choice, int64_t position) {
    return Sample(logits, 1000, {.seed = seed, .choice = choice}, position)->id;
  };
  EXPECT_EQ(draw(1, 0, 10), draw(1, 0, 10));
  std::map<TokenId, int> seen;
  for (int i = 0; i < 50; ++i)
    ++seen[draw(1, 0, i)], ++seen[draw(2 + i, 0, 0)], ++seen[draw(1, 1 + i, 0)];
  EXPECT_GT(seen.size(), 120u);
}

TEST(Sampler, InfiniteLogitsAreNeverDrawn) {
  const std::vector<float> logits = {-kInf, 0, -kInf, std::nanf("")};
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Sample(logits, 4, {.seed = 1}, i)->id, 1);
  const std::vector<float> none = {-kInf, std::nanf("")};
  EXPECT_EQ(Sample(none, 2, {}, 0).status().code(), absl::StatusCode::kInternal);
}

TEST(Sampler, ParametersAreChecked) {
  EXPECT_THAT(Message(ValidateSampling({.temperature = -1})), HasSubstr("temperature is -1"));
  EXPECT_THAT(Message(ValidateSampling({.temperature = std::nanf("")})), HasSubstr("temperature"));
  EXPECT_THAT(Message(ValidateSampling({.top_p = 0})), HasSubstr("top_p is 0"));
  EXPECT_THAT(Message(ValidateSampling({.top_p = 1.5f})), HasSubstr("(0, 1]"));
  EXPECT_THAT(Message(ValidateSampling({.top_logprobs = 21})), HasSubstr("0..20"));
  EXPECT_TRUE(ValidateSampling({}).ok());
}

}  // namespace
}  // namespace conclave
