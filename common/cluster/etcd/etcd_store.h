// The Store over a real etcd (API v3 on gRPC).
#pragma once

#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/cluster/store.h"

namespace conclave {

// `endpoints`: "host:port", several separated by commas, each with or without "http://". Waits
// until one answers, at most until `deadline`; Unavailable then names the endpoints and what to do.
// InvalidArgument for malformed ones. Threads: one per lease (wakes every third of its time to
// live) and one per watch (sleeps in the stream).
absl::StatusOr<std::unique_ptr<Store>> ConnectEtcd(const std::string& endpoints,
                                                   SteadyTime deadline);

}  // namespace conclave
