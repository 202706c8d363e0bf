#include "kernels/moe/route.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "tests/unit/kernels/random_values.h"

namespace conclave::kernels {
namespace {

struct Shape {
  int experts, groups, topk_group, k;
};

class RouteShapes : public testing::TestWithParam<Shape> {};

TEST_P(RouteShapes, AgreesWithTheOracle) {
  const auto [experts, groups, topk_group, k] = GetParam();
  const int rows = 50;
  const std::vector<float> logits = RandomValues(rows * experts, 1, 2),
                           bias = RandomValues(experts, 2, 0.1f);
  std::vector<int> index(rows * k), expected_index(rows * k);
  std::vector<float> weight(rows * k), expected_weight(rows * k);
  RouteParams p{rows,          experts,     groups,       topk_group,   k, true, 2.5f,
                logits.data(), bias.data(), index.data(), weight.data()};
  Route(p);
  p.index = expected_index.data();
  p.weight = expected_weight.data();
  RouteRef(p);
  EXPECT_EQ(index, expected_index);
  for (int i = 0; i < rows * k; ++i) EXPECT_NEAR(weight[i], expected_weight[i], 2e-6);
  for (int row = 0; row < rows; ++row) {
    EXPECT_TRUE(std::is_sorted(&index[row * k], &index[row * k] + k));
    EXPECT_NEAR(std::accumulate(&weight[row * k], &weight[row * k] + k, 0.0), 2.5, 1e-5);
  }
}
INSTANTIATE_TEST_SUITE_P(All, RouteShapes,
                         testing::Values(Shape{256, 8, 4, 8}, Shape{16, 4, 2, 4},
                                         Shape{16, 1, 1, 6}, Shape{8, 2, 2, 8}, Shape{4, 1, 1, 1}));

TEST_P(RouteShapes, SoftmaxAgreesWithTheOracle) {
  const auto [experts, groups, topk_group, k] = GetParam();
  const int rows = 50;
  const std::vector<float> logits = RandomValues(rows * experts, 7, 3);
  std::vector<int> index(rows * k), expected_index(rows * k);
  std::vector<float> weight(rows * k), expected_weight(rows * k);
  RouteParams p{.rows = rows,
                .experts = experts,
                .groups = groups,
                .topk_group = topk_group,
                .k = k,
                .normalise = false,
                .scaling = 16,
                .logits = logits.data(),
                .index = index.data(),
                .weight = weight.data(),
                .score = RouteScore::kSoftmax};
  Route(p);
  p.index = expected_index.data();
  p.weight = expected_weight.data();
  RouteRef(p);
  EXPECT_EQ(index, expected_index);
  for (int i = 0; i < rows * k; ++i)
    EXPECT_NEAR(weight[i], expected_weight[i], 1e-6 * expected_weight[i]);
}

// By its largest member, not by its two largest as with the sigmoid.
TEST(Route, SoftmaxScoresAGroupByItsLargest) {
  const std::vector<float> logits = {3, -9, 2.9f, 2.9f};
  std::vector<int> index(1);
  std::vector<float> weight(1);
  RouteParams p{1, 4, 2, 1, 1, false, 1, logits.data(), nullptr, index.data(), weight.data()};
  p.score = RouteScore::kSoftmax;
  Route(p);
  EXPECT_EQ(index[0], 0);
  p.score = RouteScore::kSigmoid;
  Route(p);
  EXPECT_EQ(index[0], 2);
}

TEST(Route, SoftmaxDoesNotOverflow) {
  const std::vector<float> logits = {500, 499, -500};
  std::vector<int> index(2);
  std::vector<float> weight(2);
  Route({.rows = 1,
         .experts = 3,
         .k = 2,
         .normalise = false,
         .logits = logits.data(),
         .index = index.data(),
         .weight = weight.data(),
         .score = RouteScore::kSoftmax});
  EXPECT_EQ(index, (std::vector<int>{0, 1}));
  EXPECT_NEAR(weight[0], 1 / (1 + std::exp(-1.0)), 1e-6);
}

TEST(Route, TiesGoToTheSmallerExpert) {
  const std::vector<float> logits(8, 0.5f);
  std::vector<int> index(2);
  std::vector<float> weight(2);
  Route({1, 8, 4, 2, 2, true, 1, logits.data(), nullptr, index.data(), weight.data()});
  EXPECT_EQ(index, (std::vector<int>{0, 1}));
  EXPECT_FLOAT_EQ(weight[0], 0.5f);
}

// Strongly negative biases must not let a masked group back in.
TEST(Route, MaskedGroupsStayOutWhenAllChoicesAreNegative) {
  const std::vector<float> logits = {4, 3, -1, -2}, bias = {-5, -5, -9, -9};
  std::vector<int> index(2);
  std::vector<float> weight(2);
  Route({1, 4, 2, 1, 2, false, 1, logits.data(), bias.data(), index.data(), weight.data()});
  EXPECT_EQ(index, (std::vector<int>{0, 1}));
}

TEST(Route, TheBiasChoosesButDoesNotWeigh) {
  const std::vector<float> logits = {2, 0}, bias = {0, 10};
  std::vector<int> index(1);
  std::vector<float> weight(1);
  Route({1, 2, 1, 1, 1, false, 1, logits.data(), bias.data(), index.data(), weight.data()});
  EXPECT_EQ(index[0], 1);
  EXPECT_FLOAT_EQ(weight[0], 0.5f);
}

}  // namespace
}  // namespace conclave::kernels
