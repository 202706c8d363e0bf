#include "common/engine/weight_heap.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <iterator>

namespace conclave {
namespace {

constexpr int64_t kHugePage = 2 << 20;
constexpr int64_t kLine = 64;
constexpr int64_t kLargestReserve = int64_t{4} << 40;
constexpr int64_t kSmallestReserve = int64_t{1} << 30;
constexpr int64_t kGrowth = 256 << 20;

int64_t RoundUp(int64_t bytes, int64_t to) { return (bytes + to - 1) / to * to; }

}  // namespace

WeightHeap& WeightHeap::Get() {
  static WeightHeap* const heap = new WeightHeap();  // never destroyed: buffers may outlive main
  return *heap;
}

WeightHeap::WeightHeap() {
  // Addresses only; a limit on address space may allow less.
  for (int64_t bytes = kLargestReserve; bytes >= kSmallestReserve; bytes /= 2) {
    void* p = mmap(nullptr, bytes + kHugePage, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) continue;
    base_ = reinterpret_cast<uint8_t*>(RoundUp(reinterpret_cast<int64_t>(p), kHugePage));
    reserved_ = bytes;
    return;
  }
}

bool WeightHeap::Grow(int64_t end) {
  if (end <= usable_) return true;
  const int64_t target = std::min(RoundUp(end, kGrowth), reserved_);
  if (target < end) return false;
  if (mprotect(base_ + usable_, target - usable_, PROT_READ | PROT_WRITE) != 0) return false;
  // Advice: without huge pages it is slower, not wrong.
  madvise(base_ + usable_, target - usable_, MADV_HUGEPAGE);
  usable_ = target;
  return true;
}

uint8_t* WeightHeap::Allocate(int64_t bytes) {
  const int64_t size = RoundUp(bytes, kLine);
  MutexLock lock(mu_);
  auto best = free_.end();
  for (auto it = free_.begin(); it != free_.end(); ++it) {
    if (it->second >= size && (best == free_.end() || it->second < best->second)) best = it;
  }
  if (best != free_.end()) {
    const int64_t at = best->first, rest = best->second - size;
    free_.erase(best);
    if (rest > 0) free_[at + size] = rest;
    std::memset(base_ + at, 0, size);
    return base_ + at;
  }
  if (!Grow(top_ + size)) return nullptr;
  uint8_t* data = base_ + top_;
  top_ += size;
  return data;
}

void WeightHeap::Free(uint8_t* data, int64_t bytes) {
  MutexLock lock(mu_);
  int64_t begin = data - base_, end = begin + RoundUp(bytes, kLine);
  const int64_t first = begin, last = end;
  auto next = free_.lower_bound(begin);
  if (next != free_.end() && next->first == end) {
    end += next->second;
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    auto before = std::prev(next);
    if (before->first + before->second == begin) {
      begin = before->first;
      free_.erase(before);
    }
  }
  free_[begin] = end - begin;
  // Huge pages that this made free as a whole.
  const int64_t from = std::max(RoundUp(begin, kHugePage), first / kHugePage * kHugePage);
  const int64_t to = std::min(end / kHugePage * kHugePage, RoundUp(last, kHugePage));
  if (from < to) madvise(base_ + from, to - from, MADV_DONTNEED);
}

}  // namespace conclave
