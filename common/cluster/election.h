// Leader election over a Store: the member whose CompareAndPut created the key, under its lease,
// leads until its lease ends.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/cluster/store.h"

namespace conclave {

// Thread-safe. Campaigns for as long as it lives, and resigns when destroyed (no callback then).
// `on_change(true)` when elected, `on_change(false)` when leadership is lost; called from a thread
// of the election, never concurrently, and must not destroy the election. A leader that is cut off
// from the store hears of it when its lease is lost: whoever holds the lease ends the election
// then.
class Election {
 public:
  static std::unique_ptr<Election> Campaign(Store& store, const std::string& key,
                                            const std::string& candidate, int64_t lease,
                                            std::function<void(bool leader)> on_change);
  virtual ~Election() = default;
  virtual bool IsLeader() const = 0;
};

}  // namespace conclave
