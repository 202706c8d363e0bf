// What an expert host knows about itself: which experts the placement gives it and whether it has
// them.
#pragma once

#include <cstdint>
#include <set>
#include <utility>

#include "common/base/ids.h"
#include "common/base/mutex.h"
#include "common/base/status.h"
#include "common/placement/placement.h"

namespace conclave {

using ExpertKey = std::pair<int, int>;  // layer, expert

// The experts that `map` gives to this life of this host.
std::set<ExpertKey> AssignedExperts(const PlacementMap& map, const std::string& host,
                                    Incarnation incarnation);

// Thread-safe.
class ExpertHostState {
 public:
  // OK when all experts of the newest map that names this host are in memory. Stays OK while a
  // later map's are being added.
  absl::Status Ready() const;
  // Of the newest map whose experts are all in memory here; 0 = none yet.
  uint64_t epoch() const;

  // From load_assigned.
  void SetLoading(uint64_t epoch, size_t loaded, size_t assigned);
  void SetLoaded(uint64_t epoch, size_t assigned);
  void SetFailed(uint64_t epoch, const absl::Status& why);

 private:
  mutable Mutex mu_;
  uint64_t epoch_ GUARDED_BY(mu_) = 0;
  absl::Status status_ GUARDED_BY(mu_) =
      absl::UnavailableError("no placement map names this host yet");
};

}  // namespace conclave
