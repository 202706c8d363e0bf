// A loaded model: configuration and packed weights. Const and thread-safe after Load.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/progress.h"
#include "common/base/status.h"
#include "common/engine/compute_mode.h"
#include "common/engine/expert_store.h"
#include "common/model/checkpoint.h"
#include "common/model/model_config.h"

namespace conclave {

struct ModelWeights;  // weights.h, inside the engine

// Which part of the weights a process needs. Routed experts dominate the bytes, so attention
// workers do not load them, and expert hosts load nothing else.
struct LoadOptions {
  ComputeMode mode = ComputeMode::kBF16;
  // Weights as in another mode, to tell the modes' roundings apart (verify): kW8A8 under kF32
  // quantises activations that were not rounded to bf16 before. Workers leave it alone.
  std::optional<ComputeMode> weights;
  bool attention = true;      // everything but routed experts
  bool experts = true;        // all routed experts; false: the store is there, but holds none
  bool mtp = true;            // the MTP layer, where the checkpoint has one
  int threads = 0;            // that load; 0: one per core that this process may use
  ProgressCallback progress;  // bytes of the checkpoint, one call at a time; may be empty
};

class Model {
 public:
  // Loads from a Hugging Face checkpoint folder. Errors name the tensor, its shape or dtype and
  // what was expected.
  static absl::StatusOr<std::shared_ptr<const Model>> Load(const std::string& dir,
                                                           const LoadOptions& options);
  // The same from an open checkpoint. `fingerprint` stands for it (ModelFingerprint).
  static absl::StatusOr<std::shared_ptr<const Model>> Load(
      std::shared_ptr<const Checkpoint> checkpoint, const ModelConfig& config, uint64_t fingerprint,
      const LoadOptions& options);
  ~Model();

  const ModelConfig& config() const { return config_; }
  ComputeMode mode() const { return mode_; }
  // Digest of config.json, the tensor names, shapes and dtypes, and the mode: equal in all workers
  // of a cluster. Cheap: does not read the weights.
  uint64_t fingerprint() const { return fingerprint_; }
  int64_t resident_bytes() const { return resident_bytes_ + experts_->resident_bytes(); }
  double load_seconds() const { return load_seconds_; }
  const ModelWeights& weights() const { return *weights_; }
  bool has_attention() const { return has_attention_; }
  bool has_mtp() const { return has_mtp_; }
  // The routed experts: all of them when LoadOptions::experts, else none yet. Never null.
  const std::shared_ptr<ExpertStore>& experts() const { return experts_; }

 private:
  Model();
  ModelConfig config_;
  ComputeMode mode_ = ComputeMode::kF32;
  uint64_t fingerprint_ = 0;
  int64_t resident_bytes_ = 0;
  double load_seconds_ = 0;
  bool has_attention_ = false;
  bool has_mtp_ = false;
  std::unique_ptr<ModelWeights> weights_;
  std::shared_ptr<ExpertStore> experts_;  // shared with the backends that compute them
};

}  // namespace conclave
