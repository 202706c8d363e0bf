#include "kernels/rope/rope.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/kernels/random_values.h"

namespace conclave::kernels {
namespace {

TEST(Rope, RotatesPairsByPositionTimesFrequency) {
  const int half = 4;
  float inv_freq[half], cos[half], sin[half];
  RopeFrequencies(8, 10000, {}, inv_freq);
  EXPECT_FLOAT_EQ(inv_freq[0], 1);
  EXPECT_FLOAT_EQ(inv_freq[2], 0.01f);
  RopeAngles(3, inv_freq, half, 1, cos, sin);
  float x[16] = {1, 0, 1, 0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 1, 0, 1};
  RopeInterleaved(x, 2, 8, half, cos, sin);
  for (int i = 0; i < half; ++i) {
    EXPECT_NEAR(x[2 * i], std::cos(3 * inv_freq[i]), 1e-6);
    EXPECT_NEAR(x[2 * i + 1], std::sin(3 * inv_freq[i]), 1e-6);
    EXPECT_NEAR(x[8 + 2 * i], -std::sin(3 * inv_freq[i]), 1e-6);
    EXPECT_NEAR(x[8 + 2 * i + 1], std::cos(3 * inv_freq[i]), 1e-6);
  }
}

TEST(Rope, DotProductsDependOnTheDistanceOnly) {
  const int half = 8;
  float inv_freq[half], cos[half], sin[half];
  RopeFrequencies(16, 10000, {}, inv_freq);
  const auto dot = [&](int64_t a, int64_t b) {
    std::vector<float> x = RandomValues(16, 1), y = RandomValues(16, 2);
    RopeAngles(a, inv_freq, half, 1, cos, sin);
    RopeInterleaved(x.data(), 1, 0, half, cos, sin);
    RopeAngles(b, inv_freq, half, 1, cos, sin);
    RopeInterleaved(y.data(), 1, 0, half, cos, sin);
    double sum = 0;
    for (int i = 0; i < 16; ++i) sum += x[i] * y[i];
    return sum;
  };
  EXPECT_NEAR(dot(10, 7), dot(110, 107), 1e-4);
}

TEST(Rope, YarnMscaleIsOneWithoutScaling) {
  EXPECT_EQ(YarnMscale(1, 1), 1);
  EXPECT_NEAR(YarnMscale(40, 1), 1.3688879, 1e-6);
}

}  // namespace
}  // namespace conclave::kernels
