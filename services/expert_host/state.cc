#include "services/expert_host/state.h"

namespace conclave {

std::set<ExpertKey> AssignedExperts(const PlacementMap& map, const std::string& host,
                                    Incarnation incarnation) {
  std::set<ExpertKey> assigned;
  for (size_t layer = 0; layer < map.layers.size(); ++layer) {
    for (size_t expert = 0; expert < map.layers[layer].size(); ++expert) {
      for (const ExpertReplica& replica : map.layers[layer][expert]) {
        if (replica.host == host && replica.incarnation == incarnation) {
          assigned.emplace(static_cast<int>(layer), static_cast<int>(expert));
        }
      }
    }
  }
  return assigned;
}

absl::Status ExpertHostState::Ready() const {
  MutexLock lock(mu_);
  return status_;
}

uint64_t ExpertHostState::epoch() const {
  MutexLock lock(mu_);
  return epoch_;
}

void ExpertHostState::SetLoading(uint64_t epoch, size_t loaded, size_t assigned) {
  MutexLock lock(mu_);
  if (epoch_ == 0)
    status_ = Unavailable("still loads experts of epoch {}: {} of {}", epoch, loaded, assigned);
}

void ExpertHostState::SetLoaded(uint64_t epoch, size_t assigned) {
  MutexLock lock(mu_);
  if (assigned == 0 && epoch_ == 0) {
    status_ = Unavailable("the placement map of epoch {} does not name this host", epoch);
    return;
  }
  epoch_ = epoch;
  status_ = absl::OkStatus();
}

void ExpertHostState::SetFailed(uint64_t epoch, const absl::Status& why) {
  MutexLock lock(mu_);
  if (epoch_ == 0)
    status_ = Unavailable("cannot load the experts of epoch {}: {}", epoch, Message(why));
}

}  // namespace conclave
