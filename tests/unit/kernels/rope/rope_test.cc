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

// The same rotation as the interleaved form, of permuted channels.
TEST(Rope, HalfSplitPairsChannelsAcrossTheHalves) {
  const int half = 6;
  float inv_freq[half], cos[half], sin[half];
  RopeFrequencies(2 * half, 10000, {}, inv_freq);
  RopeAngles(17, inv_freq, half, 1, cos, sin);
  std::vector<float> split = RandomValues(3 * 20, 1), interleaved(3 * 2 * half);
  const std::vector<float> before = split;
  for (int v = 0; v < 3; ++v) {
    for (int i = 0; i < half; ++i) {
      interleaved[v * 2 * half + 2 * i] = split[v * 20 + i];
      interleaved[v * 2 * half + 2 * i + 1] = split[v * 20 + half + i];
    }
  }
  RopeHalfSplit(split.data(), 3, 20, half, cos, sin);
  RopeInterleaved(interleaved.data(), 3, 2 * half, half, cos, sin);
  for (int v = 0; v < 3; ++v) {
    for (int i = 0; i < half; ++i) {
      EXPECT_FLOAT_EQ(split[v * 20 + i], interleaved[v * 2 * half + 2 * i]);
      EXPECT_FLOAT_EQ(split[v * 20 + half + i], interleaved[v * 2 * half + 2 * i + 1]);
    }
    for (int i = 2 * half; i < 20; ++i) EXPECT_EQ(split[v * 20 + i], before[v * 20 + i]);
  }
}

TEST(Rope, Llama3KeepsShortAndDividesLongWavelengths) {
  float plain[64], scaled[64];
  RopeFrequencies(128, 500000, {}, plain);
  Llama3RopeFrequencies(
      128, 500000,
      {.factor = 8, .low_freq_factor = 1, .high_freq_factor = 4, .original_positions = 8192},
      scaled);
  int kept = 0, divided = 0;
  for (int i = 0; i < 64; ++i) {
    const double wavelength = 2 * M_PI / plain[i];
    if (wavelength < 8192 / 4.0) {
      ++kept;
      EXPECT_FLOAT_EQ(scaled[i], plain[i]);
    } else if (wavelength > 8192) {
      ++divided;
      EXPECT_FLOAT_EQ(scaled[i], plain[i] / 8);
    } else {
      EXPECT_LT(scaled[i], plain[i]);
      EXPECT_GT(scaled[i], plain[i] / 8);
    }
  }
  EXPECT_GT(kept, 20);
  EXPECT_GT(divided, 20);
  EXPECT_LT(kept + divided, 64);
}

TEST(Rope, YarnMscaleIsOneWithoutScaling) {
  EXPECT_EQ(YarnMscale(1, 1), 1);
  EXPECT_NEAR(YarnMscale(40, 1), 1.3688879, 1e-6);
}

}  // namespace
}  // namespace conclave::kernels
