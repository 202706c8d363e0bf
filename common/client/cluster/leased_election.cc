#include "common/client/cluster/leased_election.h"

#include <utility>

namespace conclave {

LeasedElection::LeasedElection(Store& store, std::string key, std::string candidate,
                               std::function<int64_t()> lease_id,
                               std::function<void(bool)> on_change)
    : store_(store),
      key_(std::move(key)),
      candidate_(std::move(candidate)),
      lease_id_(std::move(lease_id)),
      on_change_(std::move(on_change)) {}

LeasedElection::~LeasedElection() { End(); }

void LeasedElection::Follow() {
  MutexLock ordered(round_mu_);
  const int64_t lease = lease_id_();
  if (ended_ || lease == lease_) return;
  lease_ = lease;
  uint64_t round;
  {
    MutexLock lock(mu_);
    round = ++round_;  // words of the campaign before are void from here on
    if (leader_) {
      leader_ = false;
      on_change_(false);
    }
  }
  election_.reset();
  if (lease == 0) return;
  election_ = Election::Campaign(store_, key_, candidate_, lease,
                                 [this, round](bool leader) { Deliver(round, leader); });
}

void LeasedElection::End() {
  MutexLock ordered(round_mu_);
  ended_ = true;
  {
    MutexLock lock(mu_);
    ++round_;
    leader_ = false;
  }
  election_.reset();
}

void LeasedElection::Deliver(uint64_t round, bool leader) {
  MutexLock lock(mu_);
  if (round != round_ || leader == leader_) return;
  leader_ = leader;
  on_change_(leader);
}

}  // namespace conclave
