#include "kernels/peak/peak.h"

#include <cstring>

namespace conclave::kernels {

bool PeakSupported(PeakKind kind) {
#if defined(__x86_64__)
  switch (kind) {
    case PeakKind::kBf16Dot:
      return IsaSupported(Isa::kAvx512) && __builtin_cpu_supports("avx512bf16");
    case PeakKind::kInt16Dot:
    case PeakKind::kInt8Dot:
      return VnniSupported();
    default:
      return true;
  }
#else
  return kind == PeakKind::kFloatFma;
#endif
}

std::string_view PeakName(PeakKind kind) {
  switch (kind) {
    case PeakKind::kBf16Dot:
      return "bf16 dot (vdpbf16ps)";
    case PeakKind::kInt16Dot:
      return "int16 dot (vpdpwssd)";
    case PeakKind::kInt8Dot:
      return "int8 dot (vpdpbusd)";
    default:
      return "float32 multiply-add";
  }
}

int64_t RunPeak(PeakKind kind, int64_t iterations) {
  switch (kind) {
    case PeakKind::kBf16Dot:
      return PeakBf16Dot(iterations);
    case PeakKind::kInt16Dot:
      return PeakInt16Dot(iterations);
    case PeakKind::kInt8Dot:
      return PeakInt8Dot(iterations);
    default:
      return BestIsa() == Isa::kAvx512 ? PeakFmaAvx512(iterations)
             : BestIsa() == Isa::kAvx2 ? PeakFmaAvx2(iterations)
                                       : PeakFmaPortable(iterations);
  }
}

uint64_t ReadAll(const uint8_t* data, int64_t bytes) {
  return BestIsa() == Isa::kAvx512 ? ReadAllAvx512(data, bytes) : ReadAllPortable(data, bytes);
}

int64_t PeakFmaPortable(int64_t iterations) {
  constexpr int kLanes = 64;
  volatile float one = 1.0f;
  float sum[kLanes] = {};
  const float x = one;
  for (int64_t i = 0; i < iterations; ++i)
    for (float& lane : sum) lane = lane * x + x;
  volatile float sink = sum[0] + sum[kLanes - 1];
  (void)sink;
  return iterations * kLanes;
}

uint64_t ReadAllPortable(const uint8_t* data, int64_t bytes) {
  uint64_t sum[4] = {};
  for (int64_t i = 0; i + 32 <= bytes; i += 32) {
    uint64_t words[4];
    std::memcpy(words, data + i, 32);
    for (int j = 0; j < 4; ++j) sum[j] ^= words[j];
  }
  return sum[0] ^ sum[1] ^ sum[2] ^ sum[3];
}

}  // namespace conclave::kernels
