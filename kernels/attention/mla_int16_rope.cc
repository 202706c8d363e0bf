#include "kernels/attention/mla_int16_rope.h"

#include <cmath>

#include "kernels/attention/mla_int16.h"

namespace conclave::kernels {
namespace {

constexpr int kWithBits = 4;  // codes

float ScaleOf(int e) {
  return std::bit_cast<float>(static_cast<uint32_t>(e << 23 | (e & 128) << 15));
}

// In float64, where no square overflows or vanishes.
int ExponentOf(const float* values, int count) {
  double squares[4] = {};
  for (int i = 0; i < count; i += 4)
    for (int k = 0; k < 4; ++k)
      squares[k] += static_cast<double>(values[i + k]) * static_cast<double>(values[i + k]);
  const double sum = (squares[0] + squares[1]) + (squares[2] + squares[3]);
  if (!std::isfinite(sum)) return 255;
  if (sum == 0) return 0;
  const double norm = std::sqrt(sum);
  int enough = 0;  // 2^enough is; as a scale its half may be
  std::frexp(norm / kInt16QueryNorm, &enough);
  int e = enough + 126 > 1 ? enough + 126 : 1;
  while (norm > static_cast<double>(kInt16QueryNorm) * static_cast<double>(ScaleOf(e))) ++e;
  return e;
}

void Store(float code, uint8_t* to) {
  const int16_t bits = static_cast<int16_t>(code);
  std::memcpy(to, &bits, sizeof(bits));
}

}  // namespace

void EncodeInt16Rope(const float* values, int count, uint8_t* codes) {
  constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const int e = ExponentOf(values, count);
  const bool none = e == 0 || e == 255;
  const float scale = none ? 1.0f : ScaleOf(e);
  for (int i = 0; i < kWithBits; ++i) {
    const float bits = static_cast<float>(e >> 2 * i & 3);
    const float x = none ? 0.0f : values[i] / scale;
    Store(((x - bits) * 0.25f + kMagic - kMagic) * 4.0f + bits, codes + 2 * i);
  }
  for (int i = kWithBits; i < count; ++i)
    Store(none ? 0.0f : values[i] / scale + kMagic - kMagic, codes + 2 * i);
}

void DecodeInt16Rope(const uint8_t* codes, int count, float* values) {
  const float scale = Int16RopeScale(codes);
  for (int i = 0; i < count; ++i) {
    int16_t code;
    std::memcpy(&code, codes + 2 * i, sizeof(code));
    values[i] = static_cast<float>(code) * scale;
  }
}

}  // namespace conclave::kernels
