#include "services/decode/state.h"

#include <algorithm>

#include "common/base/log.h"
#include "common/engine/kv_cache.h"

namespace conclave {
namespace {

// Rates from shorter congestions than this say nothing yet.
constexpr double kRateSeconds = 2;
constexpr int kRateSequences = 4;

int NeededPages(const Sequence& sequence) {
  return (std::max(1, sequence.PageTokens()) + kPageTokens - 1) / kPageTokens;
}

void Erase(std::vector<SequencePtr>& list, const SequencePtr& sequence) {
  list.erase(std::remove(list.begin(), list.end(), sequence), list.end());
}

}  // namespace

DecodeState::DecodeState(int pages, const AdmissionLimits& limits, DecodeMetrics& metrics,
                         std::function<void(const SequencePtr&)> receive)
    : limits_(limits),
      metrics_(metrics),
      receive_(std::move(receive)),
      pool_(pages),
      congested_since_(Now()) {}

AdmissionDecision DecodeState::Decide(const Sequence& sequence, int ahead, int ahead_pages) const {
  AdmissionState state{.free_pages = pool_.free(),
                       .total_pages = pool_.total(),
                       .running = static_cast<int>(owned_.size()),
                       .ahead = ahead,
                       .ahead_pages = ahead_pages};
  const double seconds = SecondsSince(congested_since_);
  if (!waiting_.empty() && seconds >= kRateSeconds && ended_since_ >= kRateSequences) {
    state.finished_per_second = ended_since_ / seconds;
    state.pages_per_second = pages_since_ / seconds;
  }
  return DecideAdmission(
      {.needed_pages = NeededPages(sequence), .remaining_ms = RemainingMs(sequence.spec.deadline)},
      state, limits_);
}

void DecodeState::Admit(const SequencePtr& sequence) {
  auto pages = pool_.Allocate(NeededPages(*sequence));
  sequence->pages = std::move(*pages);  // the decision saw them free under the same lock
  sequence->stage = SequenceStage::kReceiving;
  owned_.push_back(sequence);
}

absl::Status DecodeState::Submit(const SequencePtr& sequence) {
  {
    MutexLock lock(mu_);
    if (draining_) return Unavailable("this decode worker is draining: ask another one");
    RETURN_IF_ERROR(sequence->Alive());
    int ahead_pages = 0;
    for (const SequencePtr& other : waiting_) ahead_pages += NeededPages(*other);
    const AdmissionDecision decision =
        Decide(*sequence, static_cast<int>(waiting_.size()), ahead_pages);
    switch (decision.verdict) {
      case AdmissionVerdict::kTooLarge:
        return InvalidArgument("{}", decision.reason);
      case AdmissionVerdict::kOverload:
        metrics_.refused.Add();
        return ResourceExhausted("{}; retry after {} ms", decision.reason, decision.retry_after_ms);
      case AdmissionVerdict::kWait:
        if (waiting_.empty()) {
          congested_since_ = Now();
          ended_since_ = pages_since_ = 0;
        }
        sequence->stage = SequenceStage::kWaiting;
        waiting_.push_back(sequence);
        changed_.NotifyAll();  // the step loop watches the queue's deadlines
        return absl::OkStatus();
      case AdmissionVerdict::kAdmit:
        Admit(sequence);
        break;
    }
  }
  receive_(sequence);
  return absl::OkStatus();
}

void DecodeState::Cancel(const SequencePtr& sequence) {
  sequence->cancelled = true;
  EndEarly(sequence);
}

void DecodeState::EndEarly(const SequencePtr& sequence) {
  {
    MutexLock lock(mu_);
    if (sequence->stage != SequenceStage::kWaiting) {
      changed_.NotifyAll();
      return;
    }
    auto it = std::find(waiting_.begin(), waiting_.end(), sequence);
    if (it == waiting_.end()) return;
    waiting_.erase(it);
    sequence->stage = SequenceStage::kDone;
    changed_.NotifyAll();
  }
  Report(sequence, sequence->Alive());
  MoveQueue();
}

void DecodeState::Join(const SequencePtr& sequence) {
  MutexLock lock(mu_);
  sequence->stage = SequenceStage::kRunning;
  joining_.push_back(sequence);
  changed_.NotifyAll();
}

void DecodeState::End(const SequencePtr& sequence, const absl::Status& status) {
  {
    MutexLock lock(mu_);
    pool_.Free(sequence->pages);
    ++ended_since_;
    pages_since_ += static_cast<int>(sequence->pages.size());
    sequence->pages.clear();
    sequence->stage = SequenceStage::kDone;
    Erase(owned_, sequence);
    Erase(joining_, sequence);
    changed_.NotifyAll();
  }
  Report(sequence, status);
  MoveQueue();
}

void DecodeState::Report(const SequencePtr& sequence, const absl::Status& status) {
  if (status.ok()) {
    metrics_.finished.Add();
  } else if (status.code() == absl::StatusCode::kCancelled) {
    metrics_.cancelled.Add();
  } else {
    metrics_.failed.Add();
  }
  sequence->sink->Finish(status);
  LogDebug("sequence ended", {{"request", sequence->spec.request_id},
                              {"tokens", sequence->generated.load()},
                              {"status", status.ok() ? "OK" : Message(status)}});
}

void DecodeState::MoveQueue() {
  while (true) {
    SequencePtr head;
    absl::Status refused;
    {
      MutexLock lock(mu_);
      if (waiting_.empty()) return;
      head = waiting_.front();
      refused = stopped_ ? Unavailable("this decode worker is shutting down") : head->Alive();
      if (refused.ok()) {
        const AdmissionDecision decision = Decide(*head, 0, 0);
        if (decision.verdict == AdmissionVerdict::kWait) return;
        if (decision.verdict != AdmissionVerdict::kAdmit)
          refused = ResourceExhausted("{}", decision.reason);
      }
      waiting_.pop_front();
      if (refused.ok()) {
        Admit(head);
      } else {
        head->stage = SequenceStage::kDone;
        changed_.NotifyAll();
      }
    }
    if (refused.ok()) {
      receive_(head);
    } else {
      Report(head, refused);
    }
  }
}

SteadyTime DecodeState::NextDeadline() const {
  SteadyTime next = SteadyTime::max();
  for (const SequencePtr& sequence : waiting_) next = std::min(next, sequence->spec.deadline);
  return next;
}

bool DecodeState::WaitForWork(std::vector<SequencePtr>* running) {
  while (true) {
    std::vector<SequencePtr> late;
    {
      MutexLock lock(mu_);
      for (auto it = waiting_.begin(); it != waiting_.end();) {
        if (Now() < (*it)->spec.deadline) {
          ++it;
          continue;
        }
        (*it)->stage = SequenceStage::kDone;
        late.push_back(*it);
        it = waiting_.erase(it);
      }
      if (late.empty()) {
        running->insert(running->end(), joining_.begin(), joining_.end());
        joining_.clear();
        if (!running->empty()) return true;
        if (stopped_) return false;
        const SteadyTime next = NextDeadline();
        if (next == SteadyTime::max()) {
          changed_.Wait(mu_);
        } else {
          changed_.WaitUntil(mu_, next);
        }
        continue;
      }
      changed_.NotifyAll();
    }
    for (const SequencePtr& sequence : late) Report(sequence, sequence->Alive());
    MoveQueue();
  }
}

void DecodeState::Drain() {
  MutexLock lock(mu_);
  draining_ = true;
}

void DecodeState::Stop() {
  {
    MutexLock lock(mu_);
    draining_ = stopped_ = true;
    changed_.NotifyAll();
  }
  MoveQueue();
}

bool DecodeState::WaitIdle(SteadyTime deadline) {
  MutexLock lock(mu_);
  while (!waiting_.empty() || !owned_.empty()) {
    if (!changed_.WaitUntil(mu_, deadline) && Now() >= deadline)
      return waiting_.empty() && owned_.empty();
  }
  return true;
}

std::vector<SequencePtr> DecodeState::EvictAll() {
  std::vector<SequencePtr> all, owned;
  {
    MutexLock lock(mu_);
    all.assign(waiting_.begin(), waiting_.end());
    owned = owned_;
  }
  all.insert(all.end(), owned.begin(), owned.end());
  for (const SequencePtr& sequence : all) {
    sequence->evicted = true;
    EndEarly(sequence);
  }
  return owned;
}

DecodeState::Counts DecodeState::counts() const {
  MutexLock lock(mu_);
  Counts counts{.waiting = static_cast<int>(waiting_.size()),
                .free_pages = pool_.free(),
                .total_pages = pool_.total(),
                .quarantined_pages = pool_.quarantined()};
  for (const SequencePtr& sequence : owned_) {
    if (sequence->stage == SequenceStage::kRunning) ++counts.running;
  }
  counts.receiving = static_cast<int>(owned_.size()) - counts.running;
  return counts;
}

}  // namespace conclave
