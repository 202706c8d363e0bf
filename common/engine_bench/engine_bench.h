// The engine's speed against the machine's limits, both measured in the same run.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/base/progress.h"
#include "common/base/status.h"
#include "common/engine/compute_mode.h"
#include "common/engine_bench/machine_limits.h"

namespace conclave {

struct EngineBenchRequest {
  std::string dir;    // a checkpoint folder, or
  std::string shape;  // the name of a shape with random weights (bench_shapes.h)
  ComputeMode mode = ComputeMode::kBF16;
  int threads = 1;
  std::vector<int> contexts = {0, 4096};  // cached tokens before decoding at batch 1
  std::vector<int> batches = {32};        // further batch sizes of decoding, without context
  int prefill_tokens = 512;               // one chunk, logits of all rows
  double seconds = 5;                     // per line
  std::function<void(const std::string& what)> progress;  // before each part; may be empty
  ProgressCallback load_progress;                         // of the weights; may be empty
};

// Everything is a median over turns of some tenths of a second, one or three in a round (of the
// first line more); each share belongs to limits measured right before it.
struct EngineBenchLine {
  std::string what;  // "decode, batch 1, context 0", "prefill 512, all logits"
  double tokens_per_s = 0;
  double bytes_per_token = 0;  // weights and KV that a token of this batch must read
  double macs_per_token = 0;   // useful multiply-adds
  double bandwidth_share = 0;  // of the measured read bandwidth
  double compute_share = 0;    // of the measured multiply-add peak of the mode; may pass 1
  // tokens/s over the first line's in the turn before; a prompt's over its last one
  double against_first = 0;
  double spread = 0;  // of the middle half of the turns' tokens/s, over the median
};

struct EngineBenchReport {
  std::string isa;
  MachineLimits limits;      // medians over rounds
  double limits_spread = 0;  // of the middle half of the read bandwidths, over the median
  int rounds = 0;
  double load_seconds = 0;
  int64_t resident_bytes = 0;
  std::vector<EngineBenchLine> lines;
};

// InvalidArgument when a context or a batch does not fit the model.
absl::StatusOr<EngineBenchReport> BenchEngine(const EngineBenchRequest& request);

}  // namespace conclave
