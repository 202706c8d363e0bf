// A Store inside one process: for `conclave serve` and tests.
#pragma once

#include <memory>

#include "common/cluster/store.h"

namespace conclave {

// Keeps nothing when destroyed. One sleeping thread delivers all callbacks, in order. A lease lives
// until it is destroyed or made to expire.
class MemoryStore : public Store {
 public:
  // What happens to a member that lost its connection for too long: the lease's keys go, `lost` is
  // called. Nothing for an unknown lease.
  virtual void ExpireLease(int64_t lease) = 0;
};

std::unique_ptr<MemoryStore> MakeMemoryStore();

}  // namespace conclave
