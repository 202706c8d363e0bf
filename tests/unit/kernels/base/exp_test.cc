#include "kernels/base/exp.h"

#include <gtest/gtest.h>

#include <cmath>

namespace conclave::kernels {
namespace {

TEST(Exp, IsWithinTwoUlpOfTheTrueValue) {
  double worst = 0;
  for (double x = -85; x < 88; x += 0.00137) {
    const float argument = static_cast<float>(x);
    const double truth = std::exp(static_cast<double>(argument));
    const float nearest = static_cast<float>(truth);
    const double ulp = std::nextafter(nearest, INFINITY) - static_cast<double>(nearest);
    worst = std::max(worst, std::abs(Exp(argument) - truth) / ulp);
  }
  EXPECT_LT(worst, 2);
}

TEST(Exp, IsExactAtZeroAndClampedOutside) {
  EXPECT_EQ(Exp(0), 1.0f);
  EXPECT_EQ(Exp(-0.0f), 1.0f);
  EXPECT_EQ(Exp(-INFINITY), Exp(-86.0f));
  EXPECT_LT(Exp(-INFINITY), 1e-37f);
  EXPECT_EQ(Exp(1000), Exp(88));
  EXPECT_TRUE(std::isfinite(Exp(88)));
}

}  // namespace
}  // namespace conclave::kernels
