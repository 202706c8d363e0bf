// A metric that follows a count kept elsewhere. For MetricRegistry::OnCollect.
#pragma once

#include <cstdint>

#include "common/observe/metrics.h"

namespace conclave {

// Used by one thread at a time.
class MirroredCounter {
 public:
  MirroredCounter() = default;
  explicit MirroredCounter(Counter counter) : counter_(counter) {}
  // `total` never decreases.
  void Follow(uint64_t total) {
    if (total > seen_) counter_.Add(static_cast<double>(total - seen_));
    if (total > seen_) seen_ = total;
  }

 private:
  Counter counter_;
  uint64_t seen_ = 0;
};

}  // namespace conclave
