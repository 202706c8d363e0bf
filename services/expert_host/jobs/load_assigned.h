// Follows the placement map: loads experts that it gives to this host, later drops those it took
// away.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "common/base/clock.h"
#include "common/base/progress.h"
#include "common/engine/expert_store.h"
#include "services/expert_host/state.h"

namespace conclave {

// Used by one job thread; Interrupt from any.
class LoadAssigned {
 public:
  // `threads` load the first map's experts, 0 = one per core; later ones, behind the traffic, one
  // does. `changed`: readiness may have changed. `progress` makes the callback of one load; what it
  // makes may be empty. References must outlive it.
  LoadAssigned(ExpertStore& store, ExpertHostState& state, std::string host,
               Incarnation incarnation, int threads, std::function<void()> changed,
               std::function<ProgressCallback()> progress);

  // Adds before it removes: first every assigned expert is loaded, then those are dropped that
  // neither this map nor the one before gives to us, since clients may still follow that one.
  // Returns when to try again after a failure, else SteadyTime::max().
  SteadyTime Run(const PlacementMap& map);
  // Makes a run return soon.
  void Interrupt() { interrupted_ = true; }

 private:
  absl::Status LoadMissing(uint64_t epoch, const std::set<ExpertKey>& assigned);
  void Drop(const std::set<ExpertKey>& keep);

  ExpertStore& store_;
  ExpertHostState& state_;
  const std::string host_;
  const Incarnation incarnation_;
  const int threads_;
  const std::function<void()> changed_;
  const std::function<ProgressCallback()> progress_;
  std::atomic<bool> interrupted_{false};
  uint64_t done_epoch_ = 0;
  std::set<ExpertKey> previous_;  // of the map before
  std::set<ExpertKey> held_;
};

}  // namespace conclave
