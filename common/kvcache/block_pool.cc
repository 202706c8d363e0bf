#include "common/kvcache/block_pool.h"

#include "common/base/check.h"

namespace conclave {

BlockPool::BlockPool(int pages) : total_(pages), state_(pages, State::kFree) {
  CONCLAVE_CHECK(pages >= 0);
  free_.reserve(pages);
  for (int page = pages - 1; page >= 0; --page) free_.push_back(page);  // page 0 goes out first
}

absl::StatusOr<std::vector<int32_t>> BlockPool::Allocate(int pages) {
  if (pages < 0) return InvalidArgument("{} KV pages asked for", pages);
  if (pages > free()) {
    return ResourceExhausted("{} KV pages asked for, {} of {} are free ({} quarantined)", pages,
                             free(), total_, quarantined_);
  }
  std::vector<int32_t> result(free_.rbegin(), free_.rbegin() + pages);
  free_.resize(free_.size() - pages);
  for (int32_t page : result) state_[page] = State::kUsed;
  return result;
}

void BlockPool::Free(const std::vector<int32_t>& pages) {
  for (auto it = pages.rbegin(); it != pages.rend(); ++it) {
    CONCLAVE_CHECK(*it >= 0 && *it < total_ && state_[*it] == State::kUsed);
    state_[*it] = State::kFree;
    free_.push_back(*it);
  }
}

void BlockPool::Quarantine(const std::vector<int32_t>& pages) {
  for (int32_t page : pages) {
    CONCLAVE_CHECK(page >= 0 && page < total_ && state_[page] == State::kUsed);
    state_[page] = State::kQuarantined;
    ++quarantined_;
  }
}

void BlockPool::Release(const std::vector<int32_t>& pages) {
  for (auto it = pages.rbegin(); it != pages.rend(); ++it) {
    CONCLAVE_CHECK(*it >= 0 && *it < total_ && state_[*it] == State::kQuarantined);
    state_[*it] = State::kFree;
    --quarantined_;
    free_.push_back(*it);
  }
}

}  // namespace conclave
