// The dispatches that wait at an expert host: bounded, and handed out as batches of one layer over
// all clients.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "common/base/mutex.h"
#include "common/remote_experts/wire.h"
#include "common/transport/transport.h"

namespace conclave {

// A client as the host sees it. Endpoint is const; `unsent_bytes` are answers the transport still
// holds.
struct ExpertPeer {
  explicit ExpertPeer(std::shared_ptr<Endpoint> endpoint) : endpoint(std::move(endpoint)) {}
  const std::shared_ptr<Endpoint> endpoint;
  std::atomic<int64_t> unsent_bytes{0};
};

struct ExpertJob {
  std::shared_ptr<ExpertPeer> peer;
  DispatchHeader header;
  std::vector<ExpertPick> picks;
  std::vector<uint8_t> rows;  // [header.rows, header.hidden]
  SteadyTime deadline;
};

// Thread-safe.
class ExpertQueue {
 public:
  ExpertQueue(int64_t max_queued_picks, int64_t max_batch_picks)
      : max_queued_(max_queued_picks), max_batch_(max_batch_picks) {}

  // False when full: more picks than the bound would wait (a job alone always fits).
  bool Push(ExpertJob job);
  // Waits for work; the oldest job's batch: jobs of one layer, mode and width, up to the bound.
  // Empty after Stop.
  std::vector<ExpertJob> PopBatch();
  void Stop();
  int64_t queued_picks() const;

 private:
  using Key = std::tuple<uint32_t, uint8_t, uint32_t>;  // layer, mode, hidden
  struct Waiting {
    uint64_t order;
    ExpertJob job;
  };
  const int64_t max_queued_, max_batch_;
  mutable Mutex mu_;
  CondVar work_;
  bool stopped_ GUARDED_BY(mu_) = false;
  uint64_t last_order_ GUARDED_BY(mu_) = 0;
  int64_t queued_ GUARDED_BY(mu_) = 0;
  std::map<Key, std::deque<Waiting>> waiting_ GUARDED_BY(mu_);  // no empty queues
};

}  // namespace conclave
