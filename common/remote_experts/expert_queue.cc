#include "common/remote_experts/expert_queue.h"

#include <algorithm>
#include <utility>

namespace conclave {

bool ExpertQueue::Push(ExpertJob job) {
  const auto picks = static_cast<int64_t>(job.picks.size());
  const Key key(job.header.layer, job.header.mode, job.header.hidden);
  MutexLock lock(mu_);
  if (stopped_ || (queued_ > 0 && queued_ + picks > max_queued_)) return false;
  queued_ += picks;
  waiting_[key].push_back({++last_order_, std::move(job)});
  work_.NotifyOne();
  return true;
}

std::vector<ExpertJob> ExpertQueue::PopBatch() {
  std::vector<ExpertJob> batch;
  MutexLock lock(mu_);
  while (!stopped_ && waiting_.empty()) work_.Wait(mu_);
  if (stopped_) return batch;
  const auto oldest = std::min_element(
      waiting_.begin(), waiting_.end(),
      [](const auto& a, const auto& b) { return a.second.front().order < b.second.front().order; });
  auto& jobs = oldest->second;
  int64_t picks = 0;
  while (!jobs.empty()) {
    const auto next = static_cast<int64_t>(jobs.front().job.picks.size());
    if (!batch.empty() && picks + next > max_batch_) break;
    picks += next;
    batch.push_back(std::move(jobs.front().job));
    jobs.pop_front();
  }
  queued_ -= picks;
  if (jobs.empty()) waiting_.erase(oldest);
  return batch;
}

void ExpertQueue::Stop() {
  MutexLock lock(mu_);
  stopped_ = true;
  work_.NotifyAll();
}

int64_t ExpertQueue::queued_picks() const {
  MutexLock lock(mu_);
  return queued_;
}

}  // namespace conclave
