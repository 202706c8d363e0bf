// Loopback ports for processes that cannot choose their own.
#pragma once

#include <string>

#include "common/base/status.h"

namespace conclave {

// A TCP port that was free a moment ago. Another process may take it before it is used: callers
// retry.
absl::StatusOr<int> FreePort(const std::string& host);

// AlreadyExists naming host and port when something listens there.
absl::Status CheckPortFree(const std::string& host, int port);

}  // namespace conclave
