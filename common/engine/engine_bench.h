// The engine's speed against the machine's limits, both measured in the same run.
#pragma once

#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/engine/compute_mode.h"

namespace conclave {

struct EngineBenchRequest {
  std::string dir;
  ComputeMode mode = ComputeMode::kBF16;
  int threads = 1;
  int context_tokens = 256;  // tokens in the cache before decoding, and prompt length of prefill
  std::vector<int> batches = {1, 16};  // sequences of a decode step
  double seconds = 2;                  // per measurement
};

struct EngineBenchLine {
  std::string what;  // "decode, batch 1", "prefill"
  double tokens_per_s = 0;
  double bytes_per_token =
      0;  // weights and KV that one token of this batch must read, by uniform routing
  double macs_per_token = 0;
  double bandwidth_share =
      0;  // of the measured read bandwidth; above 1 when the weights fit the caches
  double compute_share = 0;  // of the measured multiply-add rate
};

struct EngineBenchReport {
  std::string isa;
  double read_bytes_per_s = 0;  // all threads, memory far larger than the caches
  double macs_per_s = 0;        // all threads, this engine's GEMM on operands in the caches
  double load_seconds = 0;
  int64_t resident_bytes = 0;
  std::vector<EngineBenchLine> lines;
};

// InvalidArgument when the context or a batch does not fit the model.
absl::StatusOr<EngineBenchReport> BenchEngine(const EngineBenchRequest& request);

}  // namespace conclave
