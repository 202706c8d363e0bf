#include "services/expert_host/jobs/load_assigned.h"

#include <vector>

#include "common/base/log.h"
#include "common/base/mutex.h"
#include "common/concurrency/run_tasks.h"

namespace conclave {
namespace {

constexpr std::chrono::milliseconds kRetry{1000};

}  // namespace

LoadAssigned::LoadAssigned(ExpertStore& store, ExpertHostState& state, std::string host,
                           Incarnation incarnation, int threads, std::function<void()> changed,
                           std::function<ProgressCallback()> progress)
    : store_(store),
      state_(state),
      host_(std::move(host)),
      incarnation_(incarnation),
      threads_(threads),
      changed_(std::move(changed)),
      progress_(std::move(progress)) {}

SteadyTime LoadAssigned::Run(const PlacementMap& map) {
  if (map.epoch <= done_epoch_) return SteadyTime::max();
  std::set<ExpertKey> assigned = AssignedExperts(map, host_, incarnation_);
  const SteadyTime started = Now();
  if (const absl::Status status = LoadMissing(map.epoch, assigned); !status.ok()) {
    if (interrupted_) return SteadyTime::max();
    LogError("cannot load experts", {{"epoch", map.epoch}, {"why", Message(status)}});
    state_.SetFailed(map.epoch, status);
    changed_();
    return After(kRetry);
  }
  std::set<ExpertKey> keep = assigned;
  keep.insert(previous_.begin(), previous_.end());
  Drop(keep);
  done_epoch_ = map.epoch;
  state_.SetLoaded(map.epoch, assigned.size());
  LogInfo("experts loaded", {{"epoch", map.epoch},
                             {"assigned", assigned.size()},
                             {"held", store_.held()},
                             {"resident_bytes", store_.resident_bytes()},
                             {"seconds", SecondsSince(started)}});
  previous_ = std::move(assigned);
  changed_();
  return SteadyTime::max();
}

absl::Status LoadAssigned::LoadMissing(uint64_t epoch, const std::set<ExpertKey>& assigned) {
  const std::vector<ExpertKey> keys(assigned.begin(), assigned.end());
  const ProgressCallback progress = progress_();
  Mutex mu;
  size_t loaded = 0;
  const bool serving = done_epoch_ > 0;
  return RunTasks(serving ? 1 : threads_, static_cast<int>(keys.size()), [&](int task) {
    const auto& [layer, expert] = keys[task];
    if (interrupted_) return Cancelled("shutting down");
    RETURN_IF_ERROR(store_.Load(layer, expert));
    MutexLock lock(mu);
    held_.emplace(layer, expert);
    state_.SetLoading(epoch, ++loaded, keys.size());
    if (progress && store_.held() > 0) {
      const int64_t bytes = store_.resident_bytes() / store_.held();  // experts are of one size
      progress({static_cast<int64_t>(loaded) * bytes, static_cast<int64_t>(keys.size()) * bytes});
    }
    return absl::OkStatus();
  });
}

void LoadAssigned::Drop(const std::set<ExpertKey>& keep) {
  for (auto it = held_.begin(); it != held_.end();) {
    if (keep.count(*it) > 0) {
      ++it;
      continue;
    }
    if (const absl::Status status = store_.Unload(it->first, it->second); !status.ok()) {
      LogWarning("cannot drop an expert",
                 {{"layer", it->first}, {"expert", it->second}, {"why", Message(status)}});
    }
    it = held_.erase(it);
  }
}

}  // namespace conclave
