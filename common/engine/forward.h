// One step of the model over rows of many sequences. A row is one token at one position of one
// sequence; its result depends on its sequence's earlier tokens only, not on the other rows, on how
// a prompt was cut into chunks or on the number of threads (law 1).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/concurrency/thread_pool.h"
#include "common/engine/expert_backend.h"
#include "common/engine/kv_cache.h"
#include "common/engine/model.h"
#include "common/model/tokenizer.h"

namespace conclave {

// Which form of latent attention computes a row; it decides the row's bits, so it belongs to the
// token and not to the worker. A token of a prompt is kPrompt (keys and values expanded), whatever
// the chunking; a token that was generated is kGenerated (absorbed form), also when it is computed
// again, many rows at once. With grouped heads both are the same.
enum class RowKind : uint8_t { kPrompt, kGenerated };

// Consecutive new tokens of one sequence: positions start .. start + tokens.size() - 1. Earlier
// positions must be in the cache already. `pages` covers positions 0 .. end.
struct SequenceChunk {
  std::span<const TokenId> tokens;
  int start = 0;
  std::span<const int32_t> pages;  // page of position p: pages[p / kPageTokens]
  RowKind kind = RowKind::kPrompt;
  bool all_logits = false;  // logits of every row, else of the last one only
  bool want_logits = true;  // false: no logits at all (a middle chunk of a prompt)
};

// What golden tests look at; off in serving. All float32, rows in batch order. After MtpStep:
// hidden[0] is eh_proj's output, hidden[1] the block's, final_norm that of the shared head, and the
// router vectors have one entry.
struct ForwardTrace {
  std::vector<std::vector<float>>
      hidden;                     // [layers + 1][rows, hidden]: embedding, after each layer
  std::vector<float> final_norm;  // [rows, hidden]
  std::vector<std::vector<float>> router_logits;  // [layers][rows, experts], empty for dense layers
  std::vector<std::vector<int32_t>> topk_idx;     // [layers][rows, k], ascending by expert
  std::vector<std::vector<float>> topk_weight;    // [layers][rows, k], aligned, final
};

struct StepOptions {
  SteadyTime deadline = SteadyTime::max();
  // Called on the calling thread after layer `layer` wrote the KV of all rows, before its expert
  // part is finished: the moment to push that layer's KV.
  std::function<void(int layer)> on_layer_kv;
  ForwardTrace* trace = nullptr;
};

// Logits of the rows that asked for them, in batch order.
struct StepResult {
  int rows = 0;
  std::vector<float> logits;  // [rows, vocab]
  std::vector<float> hidden;  // [rows, hidden] after the final norm: what MTP continues from
};

// Owns activations. One call at a time (not thread-safe); any number of Forwards may share a Model,
// a thread pool and a backend.
class Forward {
 public:
  // All references must outlive it. `model` must have been loaded with attention weights.
  Forward(std::shared_ptr<const Model> model, KvCache& cache, ThreadPool& pool,
          ExpertBackend& experts);
  ~Forward();

  // InvalidArgument when a token id, a position or a page lies outside its range; errors of the
  // expert backend as they come. After an error the KV of the rows is undefined: recompute or drop
  // them.
  absl::StatusOr<StepResult> Step(std::span<const SequenceChunk> chunks,
                                  const StepOptions& options);

  // The MTP layer over the rows of one sequence: tokens[i] is the token AFTER position start + i,
  // hidden [tokens, hidden] the main model's hidden after its final norm at that position. Logits
  // for all rows.
  absl::StatusOr<StepResult> MtpStep(const SequenceChunk& chunk, std::span<const float> hidden,
                                     const StepOptions& options);

  // Takes back a result that was read: later steps use its memory, which is kept until then (one
  // result's, the last one given). The logits of a large batch are tens of megabytes, which the
  // system would otherwise have to clear in every step.
  void Recycle(StepResult&& result);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace conclave
