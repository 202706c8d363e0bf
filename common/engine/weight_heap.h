// Memory of large buffers, in huge pages where the system has them. Separate mappings of a few
// megabytes would hardly ever cover an aligned huge page, so all large buffers come out of one
// reserved range and share huge pages with their neighbours.
#pragma once

#include <cstdint>
#include <map>

#include "common/base/mutex.h"

namespace conclave {

// Thread-safe. One per process: see Get.
class WeightHeap {
 public:
  static WeightHeap& Get();

  // `bytes` of zeroed memory on a 64-byte border; null when there is none.
  uint8_t* Allocate(int64_t bytes);
  // Gives back what Allocate returned for `bytes`; whole huge pages go back to the system.
  void Free(uint8_t* data, int64_t bytes);

 private:
  WeightHeap();
  bool Grow(int64_t end) REQUIRES(mu_);

  Mutex mu_;
  uint8_t* base_ = nullptr;             // of the reserved range; null when it could not be had
  int64_t reserved_ = 0;                // bytes
  int64_t usable_ GUARDED_BY(mu_) = 0;  // bytes that may be touched
  int64_t top_ GUARDED_BY(mu_) = 0;     // nothing beyond was ever handed out
  std::map<int64_t, int64_t> free_ GUARDED_BY(mu_);  // offset -> bytes, below top_, never adjacent
};

}  // namespace conclave
