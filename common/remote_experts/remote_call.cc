#include "common/remote_experts/remote_call.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace conclave {
namespace {

constexpr size_t kGroupPicks = 64;  // picks of one expert that stay together
constexpr std::chrono::milliseconds kNotHostedPause{50};
constexpr std::chrono::milliseconds kMaxBusyPause{1000};
constexpr int kMaxBackoffShift = 4;

}  // namespace

RemoteCall::RemoteCall(std::shared_ptr<CallContext> context, uint64_t id, const RoutedRows& rows,
                       float* out)
    : context_(std::move(context)),
      id_(id),
      rows_(rows),
      out_(out),
      deadline_(rows.deadline == SteadyTime::max() ? After(context_->options.call_timeout)
                                                   : rows.deadline),
      remaining_(rows.picks.size()),
      filled_(rows.picks.size(), false),
      live_(rows.picks.size(), 0) {}

void RemoteCall::Settle(Attempt& attempt) {
  attempt.settled = true;
  attempt.host->outstanding -= static_cast<int64_t>(attempt.picks.size());
  if (!attempt.late) {
    for (const uint32_t pick : attempt.picks) --live_[pick];
  }
}

std::map<uint32_t, RemoteCall::Need> RemoteCall::CollectNeeds(
    std::vector<std::shared_ptr<ExpertHost>>* late) {
  const SteadyTime now = Now();
  std::map<uint32_t, Need> needs;
  MutexLock lock(mu_);
  replan_ = false;
  for (Attempt& attempt : attempts_) {
    if (attempt.settled || attempt.late || attempt.late_at > now) continue;
    attempt.late = true;
    for (const uint32_t pick : attempt.picks) --live_[pick];
    late->push_back(attempt.host);
    ++context_->retries_late;
  }
  for (uint32_t pick = 0; pick < filled_.size(); ++pick) {
    if (!filled_[pick] && live_[pick] == 0) needs[rows_.picks[pick].expert].picks.push_back(pick);
  }
  if (needs.empty()) return needs;
  for (const auto& [key, until] : refused_) {
    const auto need = needs.find(key.second);
    if (until > now && need != needs.end()) need->second.never.insert(key.first);
  }
  for (const Attempt& attempt : attempts_) {
    if (attempt.settled || !attempt.late) continue;
    for (const uint32_t pick : attempt.picks) {
      const auto need = needs.find(rows_.picks[pick].expert);
      if (need != needs.end()) need->second.last.insert(attempt.host.get());
    }
  }
  return needs;
}

std::map<const ExpertHost*, RemoteCall::Target> RemoteCall::Assign(
    const std::map<uint32_t, Need>& needs) {
  std::map<const ExpertHost*, Target> targets;
  stranded_ = false;
  retry_at_ = SteadyTime::max();
  for (const auto& [expert, need] : needs) {
    for (size_t first = 0; first < need.picks.size(); first += kGroupPicks) {
      const size_t count = std::min(kGroupPicks, need.picks.size() - first);
      HostTable::Choice choice = context_->hosts->Choose(
          rows_.layer, expert, static_cast<int64_t>(count), need.last, need.never);
      if (choice.host == nullptr) {
        retry_at_ = std::min(retry_at_, choice.retry_at);
        if (choice.retry_at == SteadyTime::max()) stranded_ = true, stranded_expert_ = expert;
        continue;
      }
      Target& target = targets[choice.host.get()];
      target.choice = std::move(choice);
      target.picks.insert(target.picks.end(), need.picks.begin() + first,
                          need.picks.begin() + first + count);
    }
  }
  return targets;
}

void RemoteCall::Plan() {
  std::vector<std::shared_ptr<ExpertHost>> late;
  const std::map<uint32_t, Need> needs = CollectNeeds(&late);
  for (const auto& host : late) context_->hosts->MarkSuspect(*host);
  auto targets = Assign(needs);
  const size_t by_bytes = kMaxAnswerBytes / (sizeof(float) * static_cast<size_t>(rows_.hidden));
  const size_t most = std::clamp<size_t>(by_bytes, 1, kMaxMessagePicks);
  for (auto& [host, target] : targets) {
    std::sort(target.picks.begin(), target.picks.end());
    for (size_t first = 0; first < target.picks.size(); first += most) {
      const size_t count = std::min(most, target.picks.size() - first);
      SendTo(target, {target.picks.begin() + first, target.picks.begin() + first + count});
    }
  }
}

void RemoteCall::SendTo(const Target& target, std::vector<uint32_t> picks) {
  auto message = std::make_shared<DispatchMessage>(BuildDispatch(rows_, picks));
  const SteadyTime now = Now();
  const double patience_us = 4 * context_->pick_us * static_cast<double>(picks.size());
  const Duration patience = context_->options.attempt_timeout +
                            std::chrono::microseconds(static_cast<int64_t>(patience_us));
  uint32_t id;
  {
    MutexLock lock(mu_);
    const auto earlier = std::count_if(
        attempts_.begin(), attempts_.end(),
        [&](const Attempt& attempt) { return attempt.late && attempt.host == target.choice.host; });
    id = static_cast<uint32_t>(attempts_.size());
    for (const uint32_t pick : picks) ++live_[pick];
    tried_.insert(target.choice.host->id);
    attempts_.push_back(
        {target.choice.host, target.choice.endpoint, target.choice.connection, std::move(picks),
         now, now + patience * (1 << std::min<int>(static_cast<int>(earlier), kMaxBackoffShift))});
  }
  DispatchHeader& header = message->header;
  header.client = context_->self;
  header.epoch = context_->hosts->epoch();
  header.call = id_;
  header.attempt = id;
  header.deadline_ms =
      static_cast<uint32_t>(std::clamp<int64_t>(RemainingMs(deadline_), 1, 3'600'000));
  context_->rows += header.rows;
  context_->bytes_sent += sizeof(header) + message->payload.size();
  const std::span<const uint8_t> piece(message->payload);
  target.choice.endpoint->Send(Channel::kExpertDispatch, HeaderBytes(header), {&piece, 1},
                               [call = weak_from_this(), message, id](const absl::Status& status) {
                                 if (status.ok()) return;
                                 if (const auto self = call.lock()) self->OnSent(id, status);
                               });
}

void RemoteCall::OnSent(uint32_t attempt_id, const absl::Status& status) {
  std::shared_ptr<ExpertHost> host;
  uint64_t connection;
  {
    MutexLock lock(mu_);
    if (finished_) return;
    Attempt& attempt = attempts_[attempt_id];
    host = attempt.host;
    connection = attempt.connection;
    last_error_ = Message(status);
    if (!attempt.settled) {
      Settle(attempt);
      ++context_->retries_lost;
      replan_ = true;
      changed_.NotifyAll();
    }
  }
  context_->hosts->MarkLost(host, connection);
}

void RemoteCall::OnHostLost(const ExpertHost& host, uint64_t connection) {
  MutexLock lock(mu_);
  for (Attempt& attempt : attempts_) {
    if (attempt.settled || attempt.host.get() != &host || attempt.connection != connection)
      continue;
    Settle(attempt);
    ++context_->retries_lost;
    last_error_ = fmt::format("{} was lost", host.id);
    replan_ = true;
    changed_.NotifyAll();
  }
}

void RemoteCall::OnHostsChanged() {
  MutexLock lock(mu_);
  replan_ = true;
  changed_.NotifyAll();
}

void RemoteCall::Fill(const Attempt& attempt, const ParsedResult& result) {
  const size_t row_bytes = static_cast<size_t>(rows_.hidden) * sizeof(float);
  for (size_t i = 0; i < attempt.picks.size(); ++i) {
    const uint32_t pick = attempt.picks[i];
    if (filled_[pick]) continue;
    std::memcpy(out_ + pick * static_cast<size_t>(rows_.hidden), result.rows.data() + i * row_bytes,
                row_bytes);
    filled_[pick] = true;
    --remaining_;
  }
  constexpr size_t kLarge = 16;
  if (attempt.picks.size() >= kLarge) {
    const double us = std::chrono::duration<double, std::micro>(Now() - attempt.sent_at).count() /
                      static_cast<double>(attempt.picks.size());
    const double known = context_->pick_us;
    context_->pick_us =
        0.9 * known + 0.1 * std::min(us, 4 * known);  // one frozen host must not spoil it
  }
}

void RemoteCall::OnResult(Incarnation from, const ParsedResult& result) {
  std::shared_ptr<ExpertHost> busy;
  {
    MutexLock lock(mu_);
    const ResultHeader& header = result.header;
    Attempt* attempt = header.attempt < attempts_.size() ? &attempts_[header.attempt] : nullptr;
    if (finished_ || attempt == nullptr || attempt->settled ||
        attempt->host->incarnation != header.host || header.host != from) {
      ++context_->stale_results;
      return;
    }
    Settle(*attempt);
    const SteadyTime now = Now();
    if (result.code == ResultCode::kOk && header.picks == attempt->picks.size() &&
        header.hidden == static_cast<uint32_t>(rows_.hidden)) {
      Fill(*attempt, result);
    } else if (result.code == ResultCode::kNotHosted) {
      ++context_->retries_not_hosted;
      for (const uint32_t expert : result.missing)
        refused_[{attempt->host.get(), expert}] = now + kNotHostedPause;
      last_error_ = fmt::format("{} does not hold the expert in its epoch {}", attempt->host->id,
                                uint64_t{header.epoch});
    } else if (result.code == ResultCode::kBusy) {
      ++context_->retries_busy;
      busy = attempt->host;
      last_error_ = fmt::format("{} is busy", busy->id);
    } else if (result.code != ResultCode::kExpired) {
      const std::string text =
          result.code == ResultCode::kError ? result.text : "an answer of another shape";
      for (const uint32_t pick : attempt->picks) {
        refused_[{attempt->host.get(), rows_.picks[pick].expert}] = SteadyTime::max();
      }
      last_error_ = fmt::format("{} failed: {}", attempt->host->id, text);
    }
    // A late attempt that failed leaves nothing to do; its picks are on their way elsewhere or
    // needed anyway.
    replan_ = replan_ || result.code != ResultCode::kOk;
    if (busy == nullptr && (replan_ || remaining_ == 0)) changed_.NotifyAll();
  }
  if (busy == nullptr) return;
  const auto pause = std::chrono::milliseconds(result.header.retry_after_ms);
  context_->hosts->MarkBusy(*busy, std::clamp(pause, std::chrono::milliseconds(1), kMaxBusyPause));
  MutexLock lock(mu_);
  changed_.NotifyAll();
}

SteadyTime RemoteCall::NextWake() {
  SteadyTime wake = std::min(deadline_, retry_at_);
  for (const Attempt& attempt : attempts_) {
    if (!attempt.settled && !attempt.late) wake = std::min(wake, attempt.late_at);
  }
  if (!stranded_) return wake;
  const SteadyTime now = Now();
  for (const auto& [key, until] : refused_) {
    if (until > now) wake = std::min(wake, until);
  }
  return std::min(wake, stranded_since_ + context_->options.no_replica_grace);
}

std::string RemoteCall::DescribeTried() {
  std::string hosts;
  for (const std::string& host : tried_) hosts += (hosts.empty() ? "" : ", ") + host;
  return fmt::format("tried: {}{}", hosts.empty() ? "none" : hosts,
                     last_error_.empty() ? "" : "; last: " + last_error_);
}

std::optional<absl::Status> RemoteCall::AwaitEvent() {
  const uint64_t epoch = context_->hosts->epoch();
  MutexLock lock(mu_);
  if (stranded_ && (stranded_since_ == SteadyTime{} || stranded_remaining_ != remaining_ ||
                    stranded_epoch_ != epoch)) {
    stranded_since_ = Now();  // something moved: be patient anew
    stranded_remaining_ = remaining_;
    stranded_epoch_ = epoch;
  }
  const SteadyTime wake = NextWake();
  while (remaining_ > 0 && !replan_ && Now() < wake) changed_.WaitUntil(mu_, wake);
  if (remaining_ == 0) return absl::OkStatus();
  if (Now() >= deadline_) {
    return DeadlineExceeded("layer {}: {} of {} picks were not answered in time; {}", rows_.layer,
                            remaining_, rows_.picks.size(), DescribeTried());
  }
  if (stranded_ && !replan_ && Now() >= stranded_since_ + context_->options.no_replica_grace) {
    return Unavailable(
        "no expert host for expert {} of layer {} in epoch {}; {} of {} picks open; {}",
        stranded_expert_, rows_.layer, stranded_epoch_, remaining_, rows_.picks.size(),
        DescribeTried());
  }
  return std::nullopt;
}

absl::Status RemoteCall::Wait() {
  while (true) {
    if (auto status = AwaitEvent()) return *std::move(status);
    Plan();
  }
}

void RemoteCall::Finish() {
  std::vector<Attempt> ended;  // endpoints are let go outside the lock
  MutexLock lock(mu_);
  if (std::exchange(finished_, true)) return;
  for (Attempt& attempt : attempts_) {
    if (!attempt.settled) Settle(attempt);
  }
  ended.swap(attempts_);
}

}  // namespace conclave
