// What the next step of a worker computes: every running sequence one row, then prompt chunks.
// Pure.
#pragma once

#include <cstdint>
#include <vector>

namespace conclave {

struct ChunkedWork {
  uint64_t id = 0;           // chosen by the caller
  int remaining_tokens = 0;  // prompt tokens still to compute; entries below 1 are skipped
};

struct BatchLimits {
  int max_rows = 256;          // token rows of one step: running sequences and chunks together
  int max_sequences = 64;      // distinct sequences in one step
  int max_chunk_tokens = 128;  // of one prompt in one step
};

struct PlannedChunk {
  uint64_t id = 0;
  int tokens = 0;  // >= 1, the next ones of that prompt
  bool operator==(const PlannedChunk&) const = default;
};

struct StepPlan {
  std::vector<uint64_t> decode;      // one row each, in the order given
  std::vector<PlannedChunk> chunks;  // in the order given
  int rows = 0;                      // decode.size() + the chunks' tokens, <= max_rows
  bool empty() const { return rows == 0; }
};

// `running`: ids of sequences that generate, `waiting`: prompts, first come first. Both orders are
// priorities. A caller with more running sequences than fit moves the planned ones to the back, so
// that all get their turn. A prompt is never overtaken: a later one gets only rows that the earlier
// ones, each limited to its chunk, leave over.
StepPlan PlanStep(const std::vector<uint64_t>& running, const std::vector<ChunkedWork>& waiting,
                  const BatchLimits& limits);

}  // namespace conclave
