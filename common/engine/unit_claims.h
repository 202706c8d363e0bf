// Numbered pieces of work for the threads of a pool. Inside the engine only.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

namespace conclave {

// Hands out units to workers: each takes its own part in order, which keeps equal cores equally
// busy, and then what others have left.
class UnitClaims {
 public:
  UnitClaims(int begin, int end, int workers) : parts_(workers) {
    for (int i = 0; i < workers; ++i) {
      parts_[i].next = begin + static_cast<int>(int64_t{end - begin} * i / workers);
      parts_[i].end = begin + static_cast<int>(int64_t{end - begin} * (i + 1) / workers);
    }
  }
  // What Claim would give just now, to be fetched ahead: another worker may still take it.
  int Peek(int worker) const {
    for (size_t i = 0; i < parts_.size(); ++i) {
      const Part& part = parts_[(worker + i) % parts_.size()];
      const int unit = part.next.load(std::memory_order_relaxed);
      if (unit < part.end) return unit;
    }
    return -1;
  }
  // -1 when nothing is left.
  int Claim(int worker) {
    for (size_t i = 0; i < parts_.size(); ++i) {
      Part& part = parts_[(worker + i) % parts_.size()];
      if (part.next.load(std::memory_order_relaxed) >= part.end) continue;
      const int unit = part.next.fetch_add(1, std::memory_order_relaxed);
      if (unit < part.end) return unit;
    }
    return -1;
  }

 private:
  struct alignas(64) Part {
    std::atomic<int> next{0};
    int end = 0;
  };
  std::vector<Part> parts_;
};

}  // namespace conclave
