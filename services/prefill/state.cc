#include "services/prefill/state.h"

#include <algorithm>

#include "common/engine/kv_cache.h"

namespace conclave {
namespace {

int NeededPages(const Prompt& prompt) {
  return (static_cast<int>(prompt.job.prompt_ids.size()) + kPageTokens - 1) / kPageTokens;
}

}  // namespace

PrefillState::PrefillState(int pages, int max_queued, PrefillMetrics& metrics)
    : max_queued_(max_queued), metrics_(metrics), pool_(pages) {}

absl::Status PrefillState::Submit(const PromptPtr& prompt) {
  MutexLock lock(mu_);
  if (draining_) return Unavailable("this prefill worker is draining: ask another one");
  const int needed = NeededPages(*prompt);
  if (needed > pool_.total()) {
    return InvalidArgument(
        "a prompt of {} tokens needs {} KV pages, this prefill worker has {}: raise --kv-pages",
        prompt->job.prompt_ids.size(), needed, pool_.total());
  }
  const int queued = static_cast<int>(waiting_.size() + owned_.size());
  if (queued >= max_queued_) {
    metrics_.refused.Add();
    return ResourceExhausted(
        "the queue is full: {} prompts wait or are computed, at most {} may ({} of {} KV pages "
        "free)",
        queued, max_queued_, pool_.free(), pool_.total());
  }
  waiting_.push_back(prompt);
  changed_.NotifyAll();
  return absl::OkStatus();
}

void PrefillState::Cancel(const PromptPtr& prompt) {
  prompt->cancelled = true;
  EndWaiting(prompt);
}

void PrefillState::EndWaiting(const PromptPtr& prompt) {
  {
    MutexLock lock(mu_);
    auto it = std::find(waiting_.begin(), waiting_.end(), prompt);
    if (it == waiting_.end()) return;
    waiting_.erase(it);
    prompt->stage = PromptStage::kDone;
    changed_.NotifyAll();
  }
  Report(prompt, prompt->Alive());
}

std::vector<PromptPtr> PrefillState::TakeDead() {
  std::vector<PromptPtr> dead;
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    if ((*it)->Alive().ok()) {
      ++it;
      continue;
    }
    (*it)->stage = PromptStage::kDone;
    dead.push_back(*it);
    it = waiting_.erase(it);
  }
  return dead;
}

void PrefillState::Admit(std::vector<PromptPtr>* computing) {
  while (!waiting_.empty() && NeededPages(*waiting_.front()) <= pool_.free()) {
    PromptPtr prompt = std::move(waiting_.front());
    waiting_.pop_front();
    prompt->pages = *pool_.Allocate(NeededPages(*prompt));
    prompt->stage = PromptStage::kComputing;
    owned_.push_back(prompt);
    computing->push_back(std::move(prompt));
  }
}

bool PrefillState::WaitForWork(std::vector<PromptPtr>* computing) {
  while (true) {
    std::vector<PromptPtr> dead;
    {
      MutexLock lock(mu_);
      dead = TakeDead();
      if (dead.empty()) {
        Admit(computing);
        if (!computing->empty()) return true;
        if (stopped_) return false;
        SteadyTime next = SteadyTime::max();
        for (const PromptPtr& prompt : waiting_) next = std::min(next, prompt->deadline);
        if (next == SteadyTime::max()) {
          changed_.Wait(mu_);
        } else {
          changed_.WaitUntil(mu_, next);
        }
        continue;
      }
      changed_.NotifyAll();
    }
    for (const PromptPtr& prompt : dead) Report(prompt, prompt->Alive());
  }
}

void PrefillState::StartEnding(const PromptPtr& prompt) {
  MutexLock lock(mu_);
  prompt->stage = PromptStage::kEnding;
}

void PrefillState::End(const PromptPtr& prompt, absl::StatusOr<PrefillResult> result) {
  {
    MutexLock lock(mu_);
    pool_.Free(prompt->pages);
    prompt->pages.clear();
    prompt->stage = PromptStage::kDone;
    owned_.erase(std::remove(owned_.begin(), owned_.end(), prompt), owned_.end());
    changed_.NotifyAll();
  }
  Report(prompt, std::move(result));
}

void PrefillState::Report(const PromptPtr& prompt, absl::StatusOr<PrefillResult> result) {
  if (result.ok()) {
    metrics_.finished.Add();
  } else if (result.status().code() == absl::StatusCode::kCancelled) {
    metrics_.cancelled.Add();
  } else {
    metrics_.failed.Add();
  }
  auto done = std::move(prompt->done);
  done(std::move(result));
}

void PrefillState::Drain() {
  MutexLock lock(mu_);
  draining_ = true;
}

void PrefillState::Stop() {
  MutexLock lock(mu_);
  draining_ = stopped_ = true;
  changed_.NotifyAll();
}

void PrefillState::EvictAll() {
  std::vector<PromptPtr> all;
  {
    MutexLock lock(mu_);
    all.assign(waiting_.begin(), waiting_.end());
    all.insert(all.end(), owned_.begin(), owned_.end());
  }
  for (const PromptPtr& prompt : all) {
    prompt->evicted = true;
    EndWaiting(prompt);
  }
}

bool PrefillState::WaitIdle(SteadyTime deadline) {
  MutexLock lock(mu_);
  while (!waiting_.empty() || !owned_.empty()) {
    if (!changed_.WaitUntil(mu_, deadline) && Now() >= deadline)
      return waiting_.empty() && owned_.empty();
  }
  return true;
}

PrefillState::Counts PrefillState::counts() const {
  MutexLock lock(mu_);
  Counts counts{.waiting = static_cast<int>(waiting_.size()),
                .free_pages = pool_.free(),
                .total_pages = pool_.total(),
                .quarantined_pages = pool_.quarantined()};
  for (const PromptPtr& prompt : owned_) {
    if (prompt->stage == PromptStage::kEnding) ++counts.ending;
  }
  counts.computing = static_cast<int>(owned_.size()) - counts.ending;
  return counts;
}

}  // namespace conclave
