// The sequences of a decode worker and its KV pages: who waits, who owns what, how everything ends.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "common/base/mutex.h"
#include "common/kvcache/block_pool.h"
#include "common/scheduling/admission.h"
#include "services/decode/metrics.h"
#include "services/decode/sequence.h"

namespace conclave {

using SequencePtr = std::shared_ptr<Sequence>;

// Thread-safe. Sinks and callbacks are called without the lock.
class DecodeState {
 public:
  struct Counts {
    int waiting = 0, receiving = 0, running = 0;
    int free_pages = 0, total_pages = 0, quarantined_pages = 0;
    int active() const { return waiting + receiving + running; }
  };

  // `receive` starts the hand-off of a sequence that got its pages; must not block.
  DecodeState(int pages, const AdmissionLimits& limits, DecodeMetrics& metrics,
              std::function<void(const SequencePtr&)> receive);

  // Admits, queues or refuses: InvalidArgument (would never fit), ResourceExhausted (overload, with
  // the numbers), Unavailable (draining). On error the sink was not touched.
  absl::Status Submit(const SequencePtr& sequence);
  // The client is gone: a waiting sequence ends now, others at the next boundary of their owner.
  void Cancel(const SequencePtr& sequence);
  // From the hand-off: the prompt's KV is in place, the first token was written to the sink.
  void Join(const SequencePtr& sequence);
  // Ends a sequence: pages back, sink finished, the queue moves on. By the owner of its stage,
  // once.
  void End(const SequencePtr& sequence, const absl::Status& status);

  // For the step loop: blocks until there is something to run or Stop; then moves joined sequences
  // to the end of `running`. False after Stop.
  bool WaitForWork(std::vector<SequencePtr>* running);

  void Drain();  // from now on Submit refuses
  void Stop();   // and WaitForWork returns false; every waiting sequence ends with Unavailable
  // Blocks until no sequence is left, or the deadline; false then.
  bool WaitIdle(SteadyTime deadline);
  // Has every sequence end with Unavailable at the next boundary of its owner; returns those not
  // waiting.
  std::vector<SequencePtr> EvictAll();
  Counts counts() const;

 private:
  void EndEarly(const SequencePtr& sequence);
  AdmissionDecision Decide(const Sequence& sequence, int ahead, int ahead_pages) const
      REQUIRES(mu_);
  void Own(const SequencePtr& sequence, SequenceStage stage) REQUIRES(mu_);
  void Release(const SequencePtr& sequence) REQUIRES(mu_);
  void Admit(const SequencePtr& sequence) REQUIRES(mu_);
  void MoveQueue();  // admits what fits, ends what cannot be served any more
  void Report(const SequencePtr& sequence, const absl::Status& status);
  SteadyTime NextDeadline() const REQUIRES(mu_);

  const AdmissionLimits limits_;
  DecodeMetrics& metrics_;
  const std::function<void(const SequencePtr&)> receive_;
  mutable Mutex mu_;
  CondVar changed_;
  BlockPool pool_ GUARDED_BY(mu_);
  std::deque<SequencePtr> waiting_ GUARDED_BY(mu_);
  std::vector<SequencePtr> owned_ GUARDED_BY(mu_);    // receiving or running
  std::vector<SequencePtr> joining_ GUARDED_BY(mu_);  // running, not yet seen by the step loop
  bool draining_ GUARDED_BY(mu_) = false;
  bool stopped_ GUARDED_BY(mu_) = false;
  // Rates of the current congestion: counted while somebody waits.
  SteadyTime congested_since_ GUARDED_BY(mu_);
  int ended_since_ GUARDED_BY(mu_) = 0;
  int pages_since_ GUARDED_BY(mu_) = 0;
};

}  // namespace conclave
