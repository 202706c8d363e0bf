// One prompt on its way through a prefill worker.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/client/workers/prefill_client.h"
#include "common/kv_transfer/sender.h"

namespace conclave {

// kWaiting: in the queue, without pages. kComputing: owned by the chunk loop. kEnding: its push is
// being finished or abandoned. kDone: its pages are back.
enum class PromptStage { kWaiting, kComputing, kEnding, kDone };

struct Prompt {
  PrefillJob job;  // const once submitted
  SteadyTime deadline;
  std::shared_ptr<Endpoint> peer;  // of the ticket's owner
  // Called exactly once.
  std::function<void(absl::StatusOr<PrefillResult>)> done;

  std::atomic<bool> cancelled{false};  // by the caller
  std::atomic<bool> evicted{false};    // by the end of this worker
  absl::Status Alive() const {
    if (Now() >= deadline)
      return DeadlineExceeded("prompt of request {} passed its deadline", job.request_id);
    if (cancelled) return Cancelled("prompt of request {} was cancelled", job.request_id);
    if (evicted)
      return Unavailable("prompt of request {} lost its prefill worker: it is shutting down",
                         job.request_id);
    return absl::OkStatus();
  }

  // Guarded by PrefillState's lock.
  PromptStage stage = PromptStage::kWaiting;
  std::vector<int32_t> pages;

  // Used by the owner of the stage.
  int computed = 0;  // tokens in the cache
  std::unique_ptr<KvPush> push;
  SampledToken first_token;

  int remaining() const { return static_cast<int>(job.prompt_ids.size()) - computed; }
};

using PromptPtr = std::shared_ptr<Prompt>;

}  // namespace conclave
