// What happens once around every call, whatever it does: count, latency by code, a log line for
// errors.
#pragma once

#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/observe/metrics.h"

namespace conclave {

// One per server; outlives its calls. Metrics: conclave_rpc_calls_total{method,code},
// conclave_rpc_seconds{method} (histogram), conclave_rpc_in_flight{method}.
class RpcMetrics {
 public:
  explicit RpcMetrics(MetricRegistry& registry);
  ~RpcMetrics();

 private:
  friend class CallScope;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Construct at the start of a call, Finish with its status at the end (the destructor alone counts
// as CANCELLED). Thread-compatible.
class CallScope {
 public:
  CallScope(RpcMetrics& metrics, std::string method, std::string request_id = "");
  ~CallScope();
  CallScope(const CallScope&) = delete;
  // Returns `status` so that `return scope.Finish(...)` reads well.
  absl::Status Finish(absl::Status status);

 private:
  RpcMetrics& metrics_;
  std::string method_, request_id_;
  SteadyTime start_;
  bool finished_ = false;
};

}  // namespace conclave
