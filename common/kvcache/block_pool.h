// Which page of a KvCache belongs to whom: bookkeeping only, no memory. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "common/base/status.h"

namespace conclave {

// Not thread-safe.
class BlockPool {
 public:
  explicit BlockPool(int pages);
  int total() const { return total_; }
  int free() const { return static_cast<int>(free_.size()); }
  int quarantined() const { return quarantined_; }
  // All or nothing. ResourceExhausted with the numbers when fewer are free.
  absl::StatusOr<std::vector<int32_t>> Allocate(int pages);
  // Each page must be allocated: a double free is a bug and aborts.
  void Free(const std::vector<int32_t>& pages);
  // Pages that a peer may still write: neither free nor in use until Release.
  void Quarantine(const std::vector<int32_t>& pages);
  void Release(const std::vector<int32_t>& pages);

 private:
  enum class State : uint8_t { kFree, kUsed, kQuarantined };
  int total_;
  int quarantined_ = 0;
  std::vector<int32_t> free_;  // a stack: the page freed last is the warmest
  std::vector<State> state_;
};

}  // namespace conclave
