#include "common/engine_bench/machine_limits.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "common/base/clock.h"
#include "common/engine/buffer.h"
#include "kernels/peak/peak.h"

namespace conclave {
namespace {

constexpr int64_t kReadBytes = int64_t{1} << 30;
constexpr int64_t kPieceBytes = 1 << 20;
constexpr int64_t kPeakIterations = 200'000;

// Median of the rates of repeated rounds, over about `seconds`.
template <class F>
double MedianRate(double seconds, double units, const F& round) {
  std::vector<double> rates;
  const SteadyTime start = Now();
  do {
    const SteadyTime begin = Now();
    round();
    rates.push_back(units / SecondsSince(begin));
  } while (SecondsSince(start) < seconds);
  std::nth_element(rates.begin(), rates.begin() + rates.size() / 2, rates.end());
  return rates[rates.size() / 2];
}

double PeakRate(ThreadPool& pool, kernels::PeakKind kind, double seconds) {
  if (!kernels::PeakSupported(kind)) return 0;
  const double macs = static_cast<double>(kernels::RunPeak(kind, kPeakIterations));
  return MedianRate(seconds, macs * pool.threads(), [&] {
    pool.Run(pool.threads(), [&](int) { kernels::RunPeak(kind, kPeakIterations); });
  });
}

}  // namespace

double MachineLimits::MacsPerSecond(ComputeMode mode) const {
  switch (mode) {
    case ComputeMode::kInt8:
      return std::max(int8_dot_macs_per_s, float_macs_per_s);
    case ComputeMode::kBF16:
      return std::max(bf16_dot_macs_per_s, float_macs_per_s);
    default:
      return float_macs_per_s;
  }
}

absl::StatusOr<MachineLimits> MeasureLimits(ThreadPool& pool, double seconds) {
  MachineLimits limits;
  ASSIGN_OR_RETURN(const Buffer memory, Buffer::Create(kReadBytes));
  constexpr int kPieces = static_cast<int>(kReadBytes / kPieceBytes);
  pool.Run(kPieces, [&](int piece) {
    std::fill_n(memory.data() + piece * kPieceBytes, kPieceBytes, uint8_t{1});
  });
  std::atomic<uint64_t> sink{0};
  // One stream per thread, as a plain reader would.
  limits.read_bytes_per_s = MedianRate(seconds / 2, kReadBytes, [&] {
    const int64_t share = kReadBytes / pool.threads() / 256 * 256;
    pool.Run(pool.threads(),
             [&](int task) { sink += kernels::ReadAll(memory.data() + task * share, share); });
  });
  limits.float_macs_per_s = PeakRate(pool, kernels::PeakKind::kFloatFma, seconds / 6);
  limits.bf16_dot_macs_per_s = PeakRate(pool, kernels::PeakKind::kBf16Dot, seconds / 6);
  limits.int8_dot_macs_per_s = PeakRate(pool, kernels::PeakKind::kInt8Dot, seconds / 6);
  return limits;
}

}  // namespace conclave
