// The prefill side of a KV hand-off: pushes extents to a ticket's session and keeps the manifest.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "common/base/clock.h"
#include "common/kv_transfer/receiver.h"

namespace conclave {

// One push of one prompt. Used by one thread; completion callbacks come from the transport.
class KvPush {
 public:
  // `pages`: the sender's own pages of the prompt, unchanged until Finish returned or the
  // destructor did.
  KvPush(std::shared_ptr<Endpoint> peer, const KvCache& cache, Incarnation self,
         const HandoffTicket& ticket, std::vector<int32_t> pages);
  // Waits until no send reads the pages any more; after a second it closes the endpoint, which ends
  // them.
  ~KvPush();

  // Tokens [0, ready_tokens) of `layer` are final: pushes every block that became complete; the
  // last, partial one when ready_tokens reaches the prompt's length.
  void LayerReady(int layer, int ready_tokens);
  // Waits until every send was handed on. Unavailable when the peer was lost, DeadlineExceeded, or
  // FailedPrecondition when a layer was not pushed to its end or the ticket does not fit the cache.
  absl::StatusOr<HandoffManifest> Finish(SteadyTime deadline);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace conclave
