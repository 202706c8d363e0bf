#include "common/engine_bench/machine_limits.h"

#include <algorithm>
#include <atomic>

#include "common/base/clock.h"
#include "kernels/peak/peak.h"

namespace conclave {
namespace {

constexpr int64_t kReadBytes = int64_t{1} << 30;
constexpr int64_t kPieceBytes = 1 << 20;
constexpr int kPeakTasks = 40;  // more than threads: the pool evens out what the host takes away
constexpr int kReadPasses = 4;
constexpr int64_t kPeakIterations = 50'000;

double PeakRate(ThreadPool& pool, kernels::PeakKind kind) {
  if (!kernels::PeakSupported(kind)) return 0;
  std::atomic<int64_t> macs{0};
  const SteadyTime begin = Now();
  pool.Run(kPeakTasks, [&](int) { macs += kernels::RunPeak(kind, kPeakIterations); });
  return static_cast<double>(macs) / SecondsSince(begin);
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

absl::StatusOr<LimitMeter> LimitMeter::Create(ThreadPool& pool) {
  LimitMeter meter(pool);
  ASSIGN_OR_RETURN(meter.memory_, Buffer::Create(kReadBytes));
  pool.Run(static_cast<int>(kReadBytes / kPieceBytes), [&](int piece) {
    std::fill_n(meter.memory_.data() + piece * kPieceBytes, kPieceBytes, uint8_t{1});
  });
  return meter;
}

MachineLimits LimitMeter::Measure() {
  MachineLimits limits;
  std::atomic<uint64_t> sink{0};
  // Long streams, a few per thread.
  const int streams = pool_->threads() * 8;
  const int64_t share = kReadBytes / streams / 256 * 256;
  // The best of a few passes: what the memory can do, not what somebody left of it just then.
  for (int pass = 0; pass < kReadPasses; ++pass) {
    const SteadyTime begin = Now();
    pool_->Run(streams,
               [&](int task) { sink += kernels::ReadAll(memory_.data() + task * share, share); });
    limits.read_bytes_per_s = std::max(limits.read_bytes_per_s,
                                       static_cast<double>(share) * streams / SecondsSince(begin));
  }
  limits.float_macs_per_s = PeakRate(*pool_, kernels::PeakKind::kFloatFma);
  limits.bf16_dot_macs_per_s = PeakRate(*pool_, kernels::PeakKind::kBf16Dot);
  limits.int16_dot_macs_per_s = PeakRate(*pool_, kernels::PeakKind::kInt16Dot);
  limits.int8_dot_macs_per_s = PeakRate(*pool_, kernels::PeakKind::kInt8Dot);
  return limits;
}

}  // namespace conclave
