// What this machine can do at most, measured: the limits that an engine's speed is a share of.
#pragma once

#include "common/base/status.h"
#include "common/concurrency/thread_pool.h"
#include "common/engine/buffer.h"
#include "common/engine/compute_mode.h"

namespace conclave {

// All threads of the pool together.
struct MachineLimits {
  double read_bytes_per_s = 0;  // memory far beyond the caches, in huge pages where there are any
  double float_macs_per_s = 0;  // float32 fused multiply-adds on registers
  double bf16_dot_macs_per_s = 0;   // vdpbf16ps; 0 without it
  double int16_dot_macs_per_s = 0;  // vpdpwssd; 0 without it
  double int8_dot_macs_per_s = 0;   // vpdpbusd; 0 without it

  // The fastest instruction that multiplies what the mode is named after: bf16 values, float32 or
  // in pairs. The engine may pass it: it multiplies e4m3 weights as int16.
  double MacsPerSecond(ComputeMode mode) const;
};

// Measures them as often as asked: other users of a machine move its limits from second to second.
// Not thread-safe; `pool` must outlive it.
class LimitMeter {
 public:
  // ResourceExhausted when 1 GiB of memory cannot be had.
  static absl::StatusOr<LimitMeter> Create(ThreadPool& pool);
  // Takes about 0.3 s.
  MachineLimits Measure();

 private:
  explicit LimitMeter(ThreadPool& pool) : pool_(&pool) {}
  ThreadPool* pool_;
  Buffer memory_;
};

}  // namespace conclave
