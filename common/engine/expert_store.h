// The routed experts that this process holds, one by one: an expert host loads and drops them while
// it serves. Also the counts of tokens that each expert was given.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "common/base/mutex.h"
#include "common/base/status.h"
#include "common/engine/compute_mode.h"
#include "common/model/checkpoint.h"
#include "common/model/model_config.h"

namespace conclave {

struct FfnWeights;  // weights.h, inside the engine

// Tokens that (layer, expert) was given since the store was opened. Layers are the checkpoint's.
struct ExpertLoad {
  int layer;
  int expert;
  uint64_t tokens;
};

// Thread-safe. A reader keeps what it found alive, so Unload never disturbs a call in progress.
class ExpertStore {
 public:
  // Opens a Hugging Face checkpoint folder and loads no expert yet.
  static absl::StatusOr<std::shared_ptr<ExpertStore>> Open(const std::string& dir,
                                                           ComputeMode mode);
  // The same over an open checkpoint. Rows come in `mode`, experts are kept as in `weights`.
  static std::shared_ptr<ExpertStore> Create(std::shared_ptr<const Checkpoint> checkpoint,
                                             const ModelConfig& config, uint64_t fingerprint,
                                             ComputeMode mode, ComputeMode weights);
  ~ExpertStore();

  // Reads and packs one expert on the calling thread; OK at once when it is held already.
  // InvalidArgument for a layer without experts or an expert out of range.
  absl::Status Load(int layer, int expert);
  // All experts of all MoE layers, MTP layers included when `mtp`, on all cores.
  absl::Status LoadAll(bool mtp);
  // FailedPrecondition when it is not held. Memory goes with the last reader.
  absl::Status Unload(int layer, int expert);

  bool Holds(int layer, int expert) const;
  // FailedPrecondition naming (layer, expert) when it is not held.
  absl::StatusOr<std::shared_ptr<const FfnWeights>> Find(int layer, int expert) const;
  // InvalidArgument unless `layer` has experts and `expert` is one of them.
  absl::Status CheckRange(int layer, int expert) const;

  const ModelConfig& config() const { return config_; }
  ComputeMode mode() const { return mode_; }
  uint64_t fingerprint() const { return fingerprint_; }  // as Model::fingerprint
  int64_t resident_bytes() const { return resident_bytes_.load(std::memory_order_relaxed); }
  int held() const;  // experts held

  void CountTokens(int layer, int expert, uint64_t tokens);
  // Every (layer, expert) with a count above 0, in order.
  std::vector<ExpertLoad> Loads() const;

 private:
  ExpertStore();
  int Slot(int layer, int expert) const { return layer * config_.num_routed_experts + expert; }

  ModelConfig config_;
  ComputeMode mode_ = ComputeMode::kF32;
  ComputeMode weights_ = ComputeMode::kF32;
  uint64_t fingerprint_ = 0;
  std::shared_ptr<const Checkpoint> checkpoint_;
  std::atomic<int64_t> resident_bytes_{0};
  std::vector<std::atomic<uint64_t>> tokens_;  // [total layers * experts]
  mutable Mutex mu_;
  std::vector<std::shared_ptr<const FfnWeights>> experts_
      GUARDED_BY(mu_);  // [total layers * experts]
};

}  // namespace conclave
