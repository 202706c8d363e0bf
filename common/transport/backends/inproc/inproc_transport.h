// Transport within one process: the twin of backends/ucx for `conclave serve` and for tests. Every
// transport has its progress thread, so handlers run as asynchronously as over a wire.
#pragma once

#include <memory>

#include "common/transport/transport.h"

namespace conclave {

// The transports of one process that can reach each other. Thread-safe.
class InprocHub;
std::shared_ptr<InprocHub> MakeInprocHub();

struct InprocOptions {
  Incarnation incarnation = 0;  // 0: a random one
  int64_t max_queued_bytes =
      64ll << 20;  // unread by this transport's handlers; senders wait beyond it
};

// The hub is kept alive by its transports.
std::unique_ptr<Transport> MakeInprocTransport(std::shared_ptr<InprocHub> hub,
                                               const InprocOptions& options = {});

}  // namespace conclave
