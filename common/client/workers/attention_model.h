// What prefill and decode workers load: the model without routed experts, and how much of its
// vocabulary may be drawn.
#pragma once

#include <memory>

#include "common/base/status.h"
#include "common/client/workers/worker_config.h"
#include "common/engine/model.h"

namespace conclave {

struct AttentionModel {
  std::shared_ptr<const Model> model;
  // Ids at and above it have no text and are never sampled: the tokenizer's size, or the model's
  // whole vocabulary for a folder without tokenizer.json.
  int usable_vocab = 0;
};

// Loads from config.model_dir; `loaded`, when given, is used instead of loading the weights. Its
// mode and config.mode must agree (InvalidArgument).
absl::StatusOr<AttentionModel> LoadAttentionModel(const WorkerConfig& config,
                                                  std::shared_ptr<const Model> loaded);

}  // namespace conclave
