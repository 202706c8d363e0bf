// The fastest that a core multiplies: chains of one instruction on registers alone, enough of them
// to hide its latency. What benchmarks divide by.
#pragma once

#include <cstdint>
#include <string_view>

#include "kernels/base/cpu_features.h"

namespace conclave::kernels {

enum class PeakKind {
  kFloatFma,  // float32 fused multiply-adds of the best instruction set
  kBf16Dot,   // vdpbf16ps
  kInt16Dot,  // vpdpwssd
  kInt8Dot    // vpdpbusd
};

bool PeakSupported(PeakKind kind);
std::string_view PeakName(PeakKind kind);
// Multiply-adds done by `iterations` rounds; the caller takes the time.
int64_t RunPeak(PeakKind kind, int64_t iterations);
// Reads `bytes` (a multiple of 256) once, with the widest loads; the result depends on all of them.
uint64_t ReadAll(const uint8_t* data, int64_t bytes);

int64_t PeakFmaPortable(int64_t iterations);
int64_t PeakFmaAvx2(int64_t iterations);
int64_t PeakFmaAvx512(int64_t iterations);
int64_t PeakBf16Dot(int64_t iterations);
int64_t PeakInt16Dot(int64_t iterations);
int64_t PeakInt8Dot(int64_t iterations);
uint64_t ReadAllPortable(const uint8_t* data, int64_t bytes);
uint64_t ReadAllAvx512(const uint8_t* data, int64_t bytes);

}  // namespace conclave::kernels
