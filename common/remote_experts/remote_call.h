// One dispatch of RemoteExperts: which picks are answered, which attempts are on their way, and the
// loop that sends again what was lost, late or refused. Attempts are planned by the caller's thread
// only (in Start and Wait); answers come in from the progress thread.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/mutex.h"
#include "common/remote_experts/host_table.h"
#include "common/remote_experts/wire.h"

namespace conclave {

// Shared by the calls of one RemoteExperts. Atomic counters, see RemoteExperts::Counters.
struct CallContext {
  Incarnation self = 0;
  RemoteExpertsOptions options;
  std::shared_ptr<HostTable> hosts;
  std::atomic<uint64_t> rows{0}, bytes_sent{0}, retries_lost{0}, retries_late{0},
      retries_not_hosted{0}, retries_busy{0}, stale_results{0};
  std::atomic<double> pick_us{100};  // recent time of one pick in a large message
};

class RemoteCall : public std::enable_shared_from_this<RemoteCall> {
 public:
  RemoteCall(std::shared_ptr<CallContext> context, uint64_t id, const RoutedRows& rows, float* out);

  uint64_t id() const { return id_; }
  // Caller's thread, in this order.
  void Start() { Plan(); }
  absl::Status Wait();
  // After it returned nobody writes `out` or reads the rows. Idempotent.
  void Finish();

  // Any thread.
  void OnResult(Incarnation from, const ParsedResult& result);
  void OnHostLost(const ExpertHost& host, uint64_t connection);
  void OnHostsChanged();

 private:
  struct Attempt {
    std::shared_ptr<ExpertHost> host;
    std::shared_ptr<Endpoint> endpoint;  // kept open while the attempt is on its way
    uint64_t connection = 0;
    std::vector<uint32_t> picks;  // ascending indices into rows_.picks
    SteadyTime sent_at{}, late_at{};
    bool settled = false;
    bool late = false;  // its picks went elsewhere too
  };
  // Picks of one expert that need a host, and hosts to avoid for them.
  struct Need {
    std::vector<uint32_t> picks;
    std::set<const ExpertHost*> last, never;
  };

  void Plan();
  std::map<uint32_t, Need> CollectNeeds(std::vector<std::shared_ptr<ExpertHost>>* late);
  struct Target {
    HostTable::Choice choice;
    std::vector<uint32_t> picks;
  };
  std::map<const ExpertHost*, Target> Assign(const std::map<uint32_t, Need>& needs);
  void SendTo(const Target& target, std::vector<uint32_t> picks);
  void OnSent(uint32_t attempt, const absl::Status& status);
  void Settle(Attempt& attempt) REQUIRES(mu_);
  void Fill(const Attempt& attempt, const ParsedResult& result) REQUIRES(mu_);
  SteadyTime NextWake() REQUIRES(mu_);
  std::string DescribeTried() REQUIRES(mu_);
  // Sleeps until Plan may have work, or says how the call ended.
  std::optional<absl::Status> AwaitEvent();

  const std::shared_ptr<CallContext> context_;
  const uint64_t id_;
  const RoutedRows rows_;
  float* const out_;
  const SteadyTime deadline_;

  Mutex mu_;
  CondVar changed_;
  bool replan_ GUARDED_BY(mu_) = false;  // something happened that Plan may react to
  bool finished_ GUARDED_BY(mu_) = false;
  size_t remaining_ GUARDED_BY(mu_);
  std::vector<bool> filled_ GUARDED_BY(mu_);
  std::vector<uint16_t> live_ GUARDED_BY(mu_);  // by pick: attempts neither settled nor late
  std::vector<Attempt> attempts_ GUARDED_BY(mu_);
  // Until when a host is not asked for an expert, after it refused.
  std::map<std::pair<const ExpertHost*, uint32_t>, SteadyTime> refused_ GUARDED_BY(mu_);
  std::set<std::string> tried_ GUARDED_BY(mu_);
  std::string last_error_ GUARDED_BY(mu_);

  // What the last Plan left; caller's thread only.
  bool stranded_ = false;  // some pick has no replica at all
  uint32_t stranded_expert_ = 0;
  SteadyTime retry_at_ = SteadyTime::max();
  SteadyTime stranded_since_{};
  size_t stranded_remaining_ = 0;
  uint64_t stranded_epoch_ = 0;
};

}  // namespace conclave
