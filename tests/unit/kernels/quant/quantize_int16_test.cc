#include "kernels/quant/quantize_int16.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/base/dtypes.h"
#include "kernels/base/fp8_int16.h"
#include "tests/unit/kernels/random_values.h"

namespace conclave::kernels {
namespace {

struct Result {
  std::vector<int16_t> words;
  std::vector<float> scales;
  bool operator==(const Result&) const = default;
};

template <class F>
Result Quantize(const std::vector<float>& x, int64_t rows, int64_t cols, F f) {
  const int64_t blocks = rows * ((cols + 127) / 128);
  Result r{std::vector<int16_t>(blocks * 128, 77), std::vector<float>(blocks)};
  f(QuantizeInt16Params{.rows = rows,
                        .cols = cols,
                        .x = x.data(),
                        .x_stride = cols,
                        .words = r.words.data(),
                        .scales = r.scales.data()});
  return r;
}

TEST(QuantizeInt16, EveryInstructionSetEqualsTheOracle) {
  for (int64_t cols : {128, 100, 300}) {
    std::vector<float> x = RandomValues(6 * cols, 3, 2.0f);
    for (int64_t i = 0; i < cols; ++i) x[2 * cols + i] = 0;  // a row of zeros
    x[3 * cols] = 1e-38f;
    x[4 * cols + 7] = -3e5f;  // one that dominates
    for (int64_t i = 0; i < cols; ++i) x[5 * cols + i] = i % 2 ? 1.5f : -1.5f;
    const Result expected = Quantize(x, 6, cols, QuantizeInt16Ref);
    for (Isa isa : SupportedIsas())
      EXPECT_TRUE(Quantize(x, 6, cols, [&](const auto& p) { QuantizeInt16(p, isa); }) == expected)
          << IsaName(isa) << " " << cols;
  }
}

// What int32 sums rely on, and that the range is used: for flat, Gaussian and lonely values.
TEST(QuantizeInt16, CodesAreWithinHalfAStepAndTheirSumWithinItsBound) {
  std::vector<float> x = RandomValues(3 * 128, 5);
  for (int i = 0; i < 128; ++i) x[i] = 0.75f, x[256 + i] = i == 9 ? -40.0f : 0.0f;
  const Result r = Quantize(x, 3, 128, QuantizeInt16Ref);
  for (int row = 0; row < 3; ++row) {
    int64_t sum = 0, largest = 0;
    for (int i = row * 128; i < row * 128 + 128; ++i) {
      EXPECT_LE(std::abs(r.words[i] * r.scales[row] - x[i]), r.scales[row] * 0.501f) << i;
      sum += std::abs(int{r.words[i]});
      largest = std::max<int64_t>(largest, std::abs(int{r.words[i]}));
    }
    EXPECT_LT(sum * kFp8Int16Largest, int64_t{1} << 31) << row;
    EXPECT_LE(largest, 32767) << row;
    EXPECT_TRUE(sum > 148900 || largest >= 32699) << row << ": " << sum << ", " << largest;
  }
}

// A code is off by less than bf16, where the values come from, would be off for the largest.
TEST(QuantizeInt16, IsFinerThanBf16) {
  const std::vector<float> x = RandomValues(128 * 50, 8);
  const Result r = Quantize(x, 50, 128, QuantizeInt16Ref);
  double ours = 0, bf16 = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    ours += std::pow(r.words[i] * r.scales[i / 128] - x[i], 2);
    bf16 += std::pow(RoundBf16(x[i]) - x[i], 2);
  }
  EXPECT_LT(std::sqrt(ours / bf16), 0.2);
}

TEST(QuantizeInt16, WhatIsNoNumberShowsInTheScale) {
  for (float bad : {NAN, INFINITY}) {
    std::vector<float> x(128, 1.0f);
    x[3] = bad;
    for (Isa isa : SupportedIsas()) {
      const Result r = Quantize(x, 1, 128, [&](const auto& p) { QuantizeInt16(p, isa); });
      EXPECT_FALSE(std::isfinite(r.scales[0])) << IsaName(isa);
    }
  }
}

}  // namespace
}  // namespace conclave::kernels
