// The prompts of a prefill worker and its KV pages.
#pragma once

#include <deque>
#include <vector>

#include "common/base/mutex.h"
#include "common/kvcache/block_pool.h"
#include "services/prefill/metrics.h"
#include "services/prefill/prompt.h"

namespace conclave {

// Thread-safe. Callbacks are called without the lock.
class PrefillState {
 public:
  struct Counts {
    int waiting = 0, computing = 0, ending = 0;
    int free_pages = 0, total_pages = 0, quarantined_pages = 0;
    int active() const { return waiting + computing + ending; }
  };

  // At most `max_queued` prompts wait or are computed.
  PrefillState(int pages, int max_queued, PrefillMetrics& metrics);

  // InvalidArgument (would never fit), ResourceExhausted (queue full, with the numbers),
  // Unavailable (draining). On error `done` was not called.
  absl::Status Submit(const PromptPtr& prompt);
  // The caller is gone: a waiting prompt ends now, others at the next chunk.
  void Cancel(const PromptPtr& prompt);

  // For the chunk loop: blocks until there is something to compute or Stop; then moves prompts that
  // got pages to the end of `computing`. False after Stop.
  bool WaitForWork(std::vector<PromptPtr>* computing);
  // The chunk loop is through with it: computed, or given up.
  void StartEnding(const PromptPtr& prompt);
  // Nobody reads the prompt's pages any more: they go back, `done` is called.
  void End(const PromptPtr& prompt, absl::StatusOr<PrefillResult> result);

  void Drain();  // from now on Submit refuses
  void Stop();   // and WaitForWork returns false
  // Has every prompt end with Unavailable.
  void EvictAll();
  // Blocks until no prompt is left, or the deadline; false then.
  bool WaitIdle(SteadyTime deadline);
  Counts counts() const;

 private:
  void EndWaiting(const PromptPtr& prompt);
  void Report(const PromptPtr& prompt, absl::StatusOr<PrefillResult> result);
  std::vector<PromptPtr> TakeDead() REQUIRES(mu_);
  void Admit(std::vector<PromptPtr>* computing) REQUIRES(mu_);

  const int max_queued_;
  PrefillMetrics& metrics_;
  mutable Mutex mu_;
  CondVar changed_;
  BlockPool pool_ GUARDED_BY(mu_);
  std::deque<PromptPtr> waiting_ GUARDED_BY(mu_);
  std::vector<PromptPtr> owned_ GUARDED_BY(mu_);  // computing or ending
  bool draining_ GUARDED_BY(mu_) = false;
  bool stopped_ GUARDED_BY(mu_) = false;
};

}  // namespace conclave
