// The step loop: one row of every running sequence per step.
#pragma once

#include <chrono>
#include <thread>
#include <vector>

#include "common/engine/forward.h"
#include "services/decode/state.h"

namespace conclave {

struct StepLimits {
  int max_running = 64;                    // sequences of one step
  std::chrono::milliseconds step_timeout;  // of one step
};

// Owns the only thread that uses `forward`.
class RunSteps {
 public:
  // References must outlive it. `usable_vocab`: ids at and above it are never drawn.
  RunSteps(DecodeState& state, Forward& forward, const Model& model, int usable_vocab,
           const StepLimits& limits, DecodeMetrics& metrics);
  ~RunSteps();  // DecodeState::Stop must have been called

  // Writes the token to the sequence's sink. True when the sequence goes on; otherwise *status says
  // how it ended. Also used for the first token, which comes with the prompt.
  bool Emit(Sequence& sequence, const SampledToken& token, absl::Status* status) const;

 private:
  void Loop();
  void Step(std::vector<SequencePtr>& running);
  absl::StatusOr<SampledToken> Draw(const Sequence& sequence, const StepResult& result,
                                    size_t row) const;

  DecodeState& state_;
  Forward& forward_;
  const ModelConfig& config_;
  const int usable_vocab_;
  const StepLimits limits_;
  DecodeMetrics& metrics_;
  std::thread thread_;
};

}  // namespace conclave
