#include "services/expert_host/jobs/load_assigned.h"

#include "common/base/log.h"

namespace conclave {
namespace {

constexpr std::chrono::milliseconds kRetry{1000};

}  // namespace

LoadAssigned::LoadAssigned(ExpertStore& store, ExpertHostState& state, std::string host,
                           Incarnation incarnation, std::function<void()> changed,
                           std::function<ProgressCallback()> progress)
    : store_(store),
      state_(state),
      host_(std::move(host)),
      incarnation_(incarnation),
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
  size_t loaded = 0;
  const ProgressCallback progress = progress_();
  for (const auto& [layer, expert] : assigned) {
    if (interrupted_) return Cancelled("shutting down");
    RETURN_IF_ERROR(store_.Load(layer, expert));
    held_.emplace(layer, expert);
    state_.SetLoading(epoch, ++loaded, assigned.size());
    if (progress && store_.held() > 0) {
      const int64_t bytes = store_.resident_bytes() / store_.held();  // experts are of one size
      progress(
          {static_cast<int64_t>(loaded) * bytes, static_cast<int64_t>(assigned.size()) * bytes});
    }
  }
  return absl::OkStatus();
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
