// How many bytes of a checkpoint a load reads, part by part, for its progress. Inside the engine.
#pragma once

#include <vector>

#include "common/base/mutex.h"
#include "common/base/progress.h"
#include "common/model/checkpoint.h"
#include "common/model/model_config.h"

namespace conclave {

// Thread-safe: reports come one at a time, from the threads that load.
class LoadPlan {
 public:
  struct Parts {
    bool attention = true;
    bool experts = true;
    int layers = 0;  // MTP layers included when they are loaded
  };
  // `report` may be empty.
  LoadPlan(const Checkpoint& checkpoint, const ModelConfig& config, const Parts& parts,
           ProgressCallback report);

  // One of these was loaded: everything outside layers, a layer without its routed experts, an
  // expert of a layer.
  void DoneOutside() { Add(outside_); }
  void DoneLayer(int layer) { Add(layers_[layer]); }
  void DoneExpert(int layer) { Add(experts_[layer]); }

 private:
  void Add(int64_t bytes);

  const ProgressCallback report_;
  Mutex mu_;
  Progress progress_ GUARDED_BY(mu_);
  int64_t outside_ = 0;           // bytes
  std::vector<int64_t> layers_;   // bytes of a layer without routed experts
  std::vector<int64_t> experts_;  // bytes of one expert of a layer, on average
};

}  // namespace conclave
