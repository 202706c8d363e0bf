// The chunk loop: computes prompts in chunks, several prompts in one step, and pushes every layer's
// KV as soon as it is written.
#pragma once

#include <chrono>
#include <thread>
#include <vector>

#include "common/client/workers/task_threads.h"
#include "common/engine/forward.h"
#include "services/prefill/state.h"

namespace conclave {

struct ChunkLimits {
  int chunk_tokens = 512;                  // rows of one step
  std::chrono::milliseconds step_timeout;  // of one step
};

// Owns the only thread that uses `forward`, and those that wait for pushes.
class ComputePrompts {
 public:
  // References must outlive it. `self`: this worker's incarnation.
  ComputePrompts(PrefillState& state, Forward& forward, const KvCache& cache, const Model& model,
                 int usable_vocab, Incarnation self, const ChunkLimits& limits,
                 PrefillMetrics& metrics);
  ~ComputePrompts();  // PrefillState::Stop must have been called

 private:
  void Loop();
  void Step(std::vector<PromptPtr>& computing);
  // After its last chunk: draws the first token.
  absl::Status Draw(Prompt& prompt, std::span<const float> logits) const;
  // Hands the prompt to the threads that end it: finishes its push, or abandons it when `status` is
  // an error.
  void StartEnding(const PromptPtr& prompt, absl::Status status);

  PrefillState& state_;
  Forward& forward_;
  const KvCache& cache_;
  const ModelConfig& config_;
  const int usable_vocab_;
  const Incarnation self_;
  const ChunkLimits limits_;
  PrefillMetrics& metrics_;
  TaskThreads enders_{4};
  std::thread thread_;
};

}  // namespace conclave
