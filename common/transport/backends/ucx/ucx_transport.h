// Transport between processes over UCX active messages. UCX headers stay in this folder.
#pragma once

#include <memory>
#include <string>

#include "common/transport/transport.h"

namespace conclave {

struct UcxOptions {
  std::string tls = "tcp";    // UCX_TLS
  std::string device = "lo";  // UCX_NET_DEVICES: the interface that the peers reach
  int spin_us =
      20;  // polls for so long after the last activity before it sleeps in epoll; 0: never
  Incarnation incarnation = 0;                       // 0: a random one
  int64_t max_partial_bytes_per_peer = 256ll << 20;  // of messages that are being put together
};

// Unavailable when UCX cannot be set up (an unknown device, for example); the message says what to
// check.
absl::StatusOr<std::unique_ptr<Transport>> MakeUcxTransport(const UcxOptions& options = {});

}  // namespace conclave
