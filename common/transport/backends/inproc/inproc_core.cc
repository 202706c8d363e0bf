#include "common/transport/backends/inproc/inproc_core.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"

namespace conclave {
namespace {

absl::Status Gone(Incarnation incarnation) {
  return Unavailable("in-process peer {:016x} has stopped", incarnation);
}

absl::Status Closed(Incarnation incarnation) {
  return Unavailable("endpoint to in-process peer {:016x} was closed", incarnation);
}

void Append(std::vector<std::weak_ptr<InprocLink>>& links,
            const std::shared_ptr<InprocLink>& link) {
  std::erase_if(links, [](const auto& entry) { return entry.expired(); });
  links.push_back(link);
}

}  // namespace

void InprocHub::Add(const std::shared_ptr<InprocCore>& core) {
  MutexLock lock(mu_);
  cores_[core->incarnation()] = core;
}

void InprocHub::Remove(Incarnation incarnation) {
  MutexLock lock(mu_);
  cores_.erase(incarnation);
}

std::shared_ptr<InprocCore> InprocHub::Find(Incarnation incarnation) {
  MutexLock lock(mu_);
  const auto it = cores_.find(incarnation);
  return it == cores_.end() ? nullptr : it->second.lock();
}

void InprocCore::Start() {
  thread_ = std::thread([this] { Run(); });
}

void InprocCore::Stop() {
  CONCLAVE_CHECK(thread_.get_id() != std::this_thread::get_id());
  {
    MutexLock lock(mu_);
    stopped_ = true;
    wake_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
  std::deque<Parked> parked;
  std::deque<Message> ready;
  std::deque<std::function<void()>> tasks;
  std::vector<std::weak_ptr<InprocLink>> incoming, outgoing;
  {
    MutexLock lock(mu_);
    parked.swap(parked_);
    ready.swap(ready_);
    tasks.swap(tasks_);
    incoming.swap(incoming_);
    outgoing.swap(outgoing_);
  }
  for (Parked& waiting : parked) waiting.done(Gone(incarnation_));
  for (const auto& entry : outgoing) {
    if (const auto link = entry.lock()) link->to->CloseIncoming(*link);
  }
  for (const auto& entry : incoming) {
    const auto link = entry.lock();
    if (link == nullptr || link->closed || link->lost.exchange(true)) continue;
    link->from->Post([link, lost = Gone(incarnation_)] {
      std::function<void(absl::Status)> on_lost;
      {
        MutexLock lock(link->mu);
        on_lost.swap(link->on_lost);
      }
      if (on_lost) on_lost(lost);
    });
  }
}

bool InprocCore::AddIncoming(const std::shared_ptr<InprocLink>& link) {
  MutexLock lock(mu_);
  if (stopped_) return false;
  Append(incoming_, link);
  return true;
}

void InprocCore::AddOutgoing(const std::shared_ptr<InprocLink>& link) {
  MutexLock lock(mu_);
  Append(outgoing_, link);
}

InprocCore::Message InprocCore::Copy(Incarnation from, Channel channel,
                                     std::span<const uint8_t> header,
                                     std::span<const std::span<const uint8_t>> pieces) {
  Message message{from, channel, {header.begin(), header.end()}, {}};
  size_t bytes = 0;
  for (const auto& piece : pieces) bytes += piece.size();
  message.payload.reserve(bytes);
  for (const auto& piece : pieces)
    message.payload.insert(message.payload.end(), piece.begin(), piece.end());
  return message;
}

void InprocCore::Enqueue(const std::shared_ptr<InprocLink>& link, Channel channel,
                         std::span<const uint8_t> header,
                         std::span<const std::span<const uint8_t>> pieces,
                         std::function<void(absl::Status)> done) {
  const Incarnation from = link->from->incarnation();
  bool room;
  {
    MutexLock lock(mu_);
    room = parked_.empty() && queued_bytes_ < max_queued_bytes_;
  }
  Message message;
  if (room) message = Copy(from, channel, header, pieces);
  absl::Status failed;
  {
    MutexLock lock(mu_);
    if (link->closed) {
      failed = Closed(incarnation_);
    } else if (stopped_) {
      failed = Gone(incarnation_);
    } else if (room) {
      queued_bytes_ += message.bytes();
      ready_.push_back(std::move(message));
      wake_.NotifyOne();
    } else {
      parked_.push_back({link, channel, header, {pieces.begin(), pieces.end()}, std::move(done)});
      wake_.NotifyOne();
      return;
    }
  }
  done(failed);
}

void InprocCore::CloseIncoming(InprocLink& link) {
  std::deque<Parked> failed;
  std::function<void(absl::Status)> on_lost;  // destroyed outside the locks
  {
    MutexLock lock(link.mu);
    on_lost.swap(link.on_lost);
  }
  {
    MutexLock lock(mu_);
    link.closed = true;
    for (auto it = parked_.begin(); it != parked_.end();) {
      if (it->link.get() == &link) {
        failed.push_back(std::move(*it));
        it = parked_.erase(it);
      } else {
        ++it;
      }
    }
  }
  for (Parked& waiting : failed) waiting.done(Closed(incarnation_));
}

void InprocCore::Post(std::function<void()> task) {
  MutexLock lock(mu_);
  if (stopped_) return;
  tasks_.push_back(std::move(task));
  wake_.NotifyOne();
}

void InprocCore::AdmitParked() {
  std::vector<std::function<void(absl::Status)>> handed_on;
  {
    MutexLock lock(mu_);
    while (!parked_.empty() && queued_bytes_ < max_queued_bytes_) {
      Parked& front = parked_.front();
      // Under the lock, so that Close cannot take the memory away meanwhile.
      ready_.push_back(
          Copy(front.link->from->incarnation(), front.channel, front.header, front.pieces));
      queued_bytes_ += ready_.back().bytes();
      handed_on.push_back(std::move(front.done));
      parked_.pop_front();
    }
  }
  for (auto& done : handed_on) done(absl::OkStatus());
}

void InprocCore::Deliver(const Message& message) {
  const bool handled = handlers_.Deliver(static_cast<uint8_t>(message.channel),
                                         {message.from, message.header, message.payload});
  queued_bytes_ -= message.bytes();
  MutexLock lock(mu_);
  if (handled) {
    ++counters_.messages_received;
    counters_.bytes_received += static_cast<uint64_t>(message.bytes());
  } else {
    ++counters_.dropped_messages;
  }
}

void InprocCore::Run() {
  while (true) {
    std::function<void()> task;
    Message message;
    {
      MutexLock lock(mu_);
      while (!stopped_ && ready_.empty() && tasks_.empty() && parked_.empty()) wake_.Wait(mu_);
      if (stopped_) return;
      if (!tasks_.empty()) {
        task = std::move(tasks_.front());
        tasks_.pop_front();
      } else if (!ready_.empty()) {
        message = std::move(ready_.front());
        ready_.pop_front();
      } else {
        message.channel = Channel{0};  // only parked messages: room has to be made for them below
      }
    }
    if (task) {
      task();
    } else if (message.channel != Channel{0}) {
      Deliver(message);
    }
    AdmitParked();
  }
}

TransportCounters InprocCore::counters() {
  MutexLock lock(mu_);
  return counters_;
}

}  // namespace conclave
