// What one step of a model needs at least: bytes to read and multiply-adds to do.
#pragma once

#include "common/engine/model.h"

namespace conclave {

// Per token unless said otherwise; for models with latent attention and models with grouped heads.
struct ModelCost {
  double dense_bytes = 0;     // weights that every step reads once, whatever its rows
  double expert_bytes = 0;    // of all routed experts of all layers
  double kv_bytes = 0;        // of one cached token, all layers
  double linear_macs = 0;     // projections, FFNs, router, head
  double attention_macs = 0;  // per pair of a new token and a cached one, prompt form (expanded)
  double experts = 0, chosen = 0;

  // `model` was loaded with attention and experts.
  static ModelCost Of(const Model& model);
  // Bytes that a step of `rows` rows over `context` cached tokens each must read, per row. Routing
  // is taken as uniform: the expected number of distinct experts.
  double BytesPerRow(int rows, double context) const;
};

}  // namespace conclave
