// The receiving half of an in-process transport: its queue and its progress thread. A sender copies
// a message straight into the receiver's queue; while the queue is full, messages wait as
// references at the receiver ("parked") and are copied by its thread as room appears.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <unordered_map>
#include <vector>

#include "common/base/mutex.h"
#include "common/transport/handler_table.h"
#include "common/transport/transport.h"

namespace conclave {

class InprocCore;

// Thread-safe. Knows the cores of one process by incarnation.
class InprocHub {
 public:
  void Add(const std::shared_ptr<InprocCore>& core);
  void Remove(Incarnation incarnation);
  std::shared_ptr<InprocCore> Find(Incarnation incarnation);

 private:
  Mutex mu_;
  std::unordered_map<Incarnation, std::weak_ptr<InprocCore>> cores_ GUARDED_BY(mu_);
};

// One direction between two cores: what an endpoint stands for.
struct InprocLink {
  std::shared_ptr<InprocCore> from, to;
  std::atomic<bool> closed{false};  // set under to's lock
  std::atomic<bool> lost{false};
  Mutex mu;
  std::function<void(absl::Status)> on_lost GUARDED_BY(mu);
};

// Thread-safe but for Start and Stop, which the owner calls.
class InprocCore {
 public:
  InprocCore(Incarnation incarnation, int64_t max_queued_bytes)
      : incarnation_(incarnation), max_queued_bytes_(max_queued_bytes) {}

  void Start();
  // Ends the thread, fails what is parked, tells the peers that this one is gone.
  void Stop();

  // False when stopped.
  bool AddIncoming(const std::shared_ptr<InprocLink>& link);
  void AddOutgoing(const std::shared_ptr<InprocLink>& link);
  void Enqueue(const std::shared_ptr<InprocLink>& link, Channel channel,
               std::span<const uint8_t> header, std::span<const std::span<const uint8_t>> pieces,
               std::function<void(absl::Status)> done);
  // Marks `link` closed and fails what it parked here. Idempotent.
  void CloseIncoming(InprocLink& link);
  // Runs `task` on the progress thread; dropped when stopped.
  void Post(std::function<void()> task);

  Incarnation incarnation() const { return incarnation_; }
  HandlerTable& handlers() { return handlers_; }
  TransportCounters counters();

 private:
  struct Message {
    Incarnation from;
    Channel channel;
    std::vector<uint8_t> header, payload;
    int64_t bytes() const { return static_cast<int64_t>(header.size() + payload.size()); }
  };
  struct Parked {
    std::shared_ptr<InprocLink> link;
    Channel channel;
    std::span<const uint8_t> header;
    std::vector<std::span<const uint8_t>> pieces;
    std::function<void(absl::Status)> done;
  };

  static Message Copy(Incarnation from, Channel channel, std::span<const uint8_t> header,
                      std::span<const std::span<const uint8_t>> pieces);
  void Run();
  void Deliver(const Message& message);
  // Moves parked messages into the queue while there is room.
  void AdmitParked();

  const Incarnation incarnation_;
  const int64_t max_queued_bytes_;
  HandlerTable handlers_;
  std::thread thread_;
  std::atomic<int64_t> queued_bytes_{0};
  Mutex mu_;
  CondVar wake_;
  bool stopped_ GUARDED_BY(mu_) = false;
  std::deque<Message> ready_ GUARDED_BY(mu_);
  std::deque<Parked> parked_ GUARDED_BY(mu_);
  std::deque<std::function<void()>> tasks_ GUARDED_BY(mu_);
  std::vector<std::weak_ptr<InprocLink>> incoming_ GUARDED_BY(mu_), outgoing_ GUARDED_BY(mu_);
  TransportCounters counters_ GUARDED_BY(mu_);
};

}  // namespace conclave
