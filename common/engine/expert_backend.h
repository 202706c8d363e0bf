// Where routed rows are computed: local experts, or expert hosts. The seam between the engine and
// the expert plane. An expert's answer depends on its row only (law 1), so any backend gives the
// same bits.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/engine/compute_mode.h"

namespace conclave {

// Row `row` of the batch goes through expert `expert`.
struct ExpertPick {
  uint32_t row;
  uint32_t expert;
};

// The routed rows of one MoE layer of one step. The caller keeps all memory alive until Wait
// returned.
struct RoutedRows {
  int layer = 0;  // layer index in the checkpoint, MTP layers included
  int num_rows = 0;
  int hidden = 0;
  ComputeMode mode = ComputeMode::kF32;
  const void* rows = nullptr;         // [num_rows, hidden], float32 or bf16 by mode
  std::span<const ExpertPick> picks;  // ascending by (row, expert)
  SteadyTime deadline = SteadyTime::max();
};

// One dispatch on its way.
class ExpertCall {
 public:
  virtual ~ExpertCall() = default;
  // Blocks until every pick has its answer in `out`, or the deadline passed (DeadlineExceeded), or
  // no replica is left (Unavailable). Called exactly once. After it returned, nobody writes `out`
  // any more.
  virtual absl::Status Wait() = 0;
};

// Thread-safe.
class ExpertBackend {
 public:
  virtual ~ExpertBackend() = default;
  // Starts the call. `out` is [picks, hidden] float32: the expert's plain output for each pick, not
  // yet weighted; the caller combines in ascending expert order.
  virtual absl::StatusOr<std::unique_ptr<ExpertCall>> Dispatch(const RoutedRows& rows,
                                                               float* out) = 0;
};

}  // namespace conclave
