// Rotary position embedding: on interleaved pairs (x[2i], x[2i+1]) with YaRN scaling, as in latent
// attention, or on the two halves of a head (x[i], x[i + half]) with llama3 scaling.
#pragma once

#include <cstdint>

namespace conclave::kernels {

// factor 1 means no scaling.
struct RopeScaling {
  double factor = 1;
  double beta_fast = 32;
  double beta_slow = 1;
  double original_positions = 0;
};

// inv_freq [dim / 2] in float32: theta^(-2i / dim), YaRN's ramp applied.
void RopeFrequencies(int dim, double theta, const RopeScaling& scaling, float* inv_freq);

// Long wavelengths are divided by the factor, short ones kept, those between blended.
struct Llama3RopeScaling {
  double factor = 1;
  double low_freq_factor = 1;
  double high_freq_factor = 4;
  double original_positions = 0;
};

// inv_freq [dim / 2] in float32: theta^(-2i / dim), scaled by wavelength.
void Llama3RopeFrequencies(int dim, double theta, const Llama3RopeScaling& scaling,
                           float* inv_freq);

// cos and sin [dim / 2] of one position: angle = float32(position) * inv_freq in float32, times
// `gain`.
void RopeAngles(int64_t position, const float* inv_freq, int half, float gain, float* cos,
                float* sin);

// In place over `vectors` vectors of 2 * half values, `stride` values apart.
void RopeInterleaved(float* x, int vectors, int64_t stride, int half, const float* cos,
                     const float* sin);

void RopeHalfSplit(float* x, int vectors, int64_t stride, int half, const float* cos,
                   const float* sin);

// YaRN's 0.1 * mscale * ln(factor) + 1; 1 when factor <= 1.
double YarnMscale(double factor, double mscale);

}  // namespace conclave::kernels
