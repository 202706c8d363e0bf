#include <algorithm>
#include <cmath>

#include "kernels/rope/rope.h"

namespace conclave::kernels {

void RopeFrequencies(int dim, double theta, const RopeScaling& scaling, float* inv_freq) {
  const int half = dim / 2;
  double low = 0, high = 0;
  if (scaling.factor > 1) {
    const auto correction = [&](double rotations) {
      return dim * std::log(scaling.original_positions / (rotations * 2 * M_PI)) /
             (2 * std::log(theta));
    };
    low = std::max(std::floor(correction(scaling.beta_fast)), 0.0);
    high = std::min(std::ceil(correction(scaling.beta_slow)), dim - 1.0);
    if (low == high) high += 0.001;
  }
  for (int i = 0; i < half; ++i) {
    double inv = std::pow(theta, -2.0 * i / dim);
    if (scaling.factor > 1) {
      const double ramp = std::clamp((i - low) / (high - low), 0.0, 1.0);
      inv = inv / scaling.factor * ramp + inv * (1 - ramp);
    }
    inv_freq[i] = static_cast<float>(inv);
  }
}

void Llama3RopeFrequencies(int dim, double theta, const Llama3RopeScaling& scaling,
                           float* inv_freq) {
  for (int i = 0; i < dim / 2; ++i) {
    const double inv = std::pow(theta, -2.0 * i / dim);
    // Rotations over the original context: few of them mean a wavelength beyond it.
    const double rotations = scaling.original_positions * inv / (2 * M_PI);
    const double keep = std::clamp((rotations - scaling.low_freq_factor) /
                                       (scaling.high_freq_factor - scaling.low_freq_factor),
                                   0.0, 1.0);
    inv_freq[i] = static_cast<float>((1 - keep) * inv / scaling.factor + keep * inv);
  }
}

void RopeAngles(int64_t position, const float* inv_freq, int half, float gain, float* cos,
                float* sin) {
  for (int i = 0; i < half; ++i) {
    const float angle = static_cast<float>(position) * inv_freq[i];
    cos[i] = static_cast<float>(std::cos(static_cast<double>(angle))) * gain;
    sin[i] = static_cast<float>(std::sin(static_cast<double>(angle))) * gain;
  }
}

void RopeInterleaved(float* x, int vectors, int64_t stride, int half, const float* cos,
                     const float* sin) {
  for (int v = 0; v < vectors; ++v, x += stride) {
    for (int i = 0; i < half; ++i) {
      const float even = x[2 * i], odd = x[2 * i + 1];
      x[2 * i] = even * cos[i] - odd * sin[i];
      x[2 * i + 1] = even * sin[i] + odd * cos[i];
    }
  }
}

void RopeHalfSplit(float* x, int vectors, int64_t stride, int half, const float* cos,
                   const float* sin) {
  for (int v = 0; v < vectors; ++v, x += stride) {
    for (int i = 0; i < half; ++i) {
      const float first = x[i], second = x[i + half];
      x[i] = first * cos[i] - second * sin[i];
      x[i + half] = second * cos[i] + first * sin[i];
    }
  }
}

double YarnMscale(double factor, double mscale) {
  return factor <= 1 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

}  // namespace conclave::kernels
