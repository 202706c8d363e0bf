// Compares this engine with golden outputs of an independent implementation: the whole prompt in
// one pass, the prompt in chunks, greedy decoding step by step with the KV cache, and the MTP
// layer.
#pragma once

#include <string>
#include <vector>

#include "common/base/progress.h"
#include "common/base/status.h"
#include "common/engine/compute_mode.h"
#include "common/engine/kv_format.h"

namespace conclave {

struct VerifyRequest {
  std::string dir;  // config.json, checkpoint, golden.safetensors
  ComputeMode mode = ComputeMode::kF32;
  int threads = 1;
  int chunk_tokens = 16;  // of the pass in chunks
  KvFormat kv_format = KvFormat::kMode;
  ProgressCallback load_progress = {};
};

// One kind of tensor.
struct VerifyLine {
  std::string kind;
  int64_t compared = 0;  // values, rows or tokens
  double deviation = 0;  // the largest absolute one, a count of mismatches, or a share: see `rule`
  std::string rule;      // the tolerance in words
  double used = 0;       // share of the tolerance used; above 1 (or not a number) is a miss
  std::string worst;     // where the largest deviation lies
  bool ok() const { return used <= 1; }
};

struct VerifyReport {
  std::string dir;
  ComputeMode mode = ComputeMode::kF32;
  KvFormat kv_format = KvFormat::kMode;
  int prompt_tokens = 0;
  std::vector<VerifyLine> lines;
  bool ok() const;
};

// Errors when something cannot be loaded or a golden tensor has the wrong shape; a deviation is no
// error but a line that is not ok().
//
// f32: |d| <= 2e-4 + 2e-5 |ref| for logits, hidden states, KV and router logits; experts and greedy
// tokens equal; router weights |d| <= 2e-5 * routed_scaling_factor; log-probabilities |d| <= 1e-4.
// bf16: per row of logits, over rows with the golden's experts in all layers: median of the largest
// difference <= 0.35, nine rows of ten <= 0.7; the same token on top in 85 % of all rows. Models
// without experts: every row <= 0.4.
// int8 and w8a8: lines tell the effect on logits, against the golden and against the same engine in
// bf16; the same token on top in 75 % of rows, 60 % with experts. w8a8 without e4m3 weights: bf16's
// bits. Where golden has w8a8.logits: rms <= 0.2 from them with float32 operands, as they were
// made, and <= 0.5 with the mode's own, which is also asked of `logits`.
// With FP8 or bf16 KV no tolerance is advised: lines tell its effect on logits, against the golden
// and against the same engine with the mode's own KV.
// Always: the pass in chunks gives the bits of the pass in one piece.
absl::StatusOr<VerifyReport> Verify(const VerifyRequest& request);

}  // namespace conclave
