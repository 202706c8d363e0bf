// The decode worker's way to prefill workers: says hello where needed, asks for a prompt, all
// without blocking a thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/client/workers/hello.h"
#include "common/engine/sampler.h"
#include "common/kv_transfer/receiver.h"
#include "common/rpc/channel.h"

namespace conclave {

// Mirrors conclave.v1.PrefillRequest, which explains the fields.
struct PrefillJob {
  std::string request_id;
  std::vector<TokenId> prompt_ids;
  SamplingParams sampling;
  HandoffTicket ticket;
};

struct PrefillResult {
  SampledToken first_token;
  HandoffManifest manifest;
};

class PrefillCall {
 public:
  virtual ~PrefillCall() = default;
  // Stops the work at the worker; `done` still follows, with Cancelled. Idempotent, thread-safe.
  virtual void Cancel() = 0;
};

// Thread-safe. `channels` must outlive the client and its calls.
class PrefillClient {
 public:
  virtual ~PrefillClient() = default;
  // `done` is called exactly once, from a thread of gRPC or from within Run: the result, Cancelled,
  // DeadlineExceeded, Unavailable when the worker is gone, or what the worker answered. The call
  // goes on when the handle is dropped.
  virtual std::shared_ptr<PrefillCall> Run(
      const std::string& address, PrefillJob job, SteadyTime deadline,
      std::function<void(absl::StatusOr<PrefillResult>)> done) = 0;
};

std::unique_ptr<PrefillClient> MakePrefillClient(ChannelProvider& channels,
                                                 const PeerIdentity& self);

}  // namespace conclave
