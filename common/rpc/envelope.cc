#include "common/rpc/envelope.h"

#include <utility>

#include "common/base/log.h"

namespace conclave {

struct RpcMetrics::Impl {
  MetricRegistry& registry;

  Counter Calls(const std::string& method, const std::string& code) {
    return registry.GetCounter("conclave_rpc_calls_total", "Calls ended, by method and status code",
                               {{"method", method}, {"code", code}});
  }
  Histogram Seconds(const std::string& method) {
    return registry.GetHistogram("conclave_rpc_seconds",
                                 "Seconds from the start of a call to its end", LatencyBuckets(),
                                 {{"method", method}});
  }
  Gauge InFlight(const std::string& method) {
    return registry.GetGauge("conclave_rpc_in_flight", "Calls running now", {{"method", method}});
  }
};

RpcMetrics::RpcMetrics(MetricRegistry& registry) : impl_(new Impl{registry}) {}
RpcMetrics::~RpcMetrics() = default;

CallScope::CallScope(RpcMetrics& metrics, std::string method, std::string request_id)
    : metrics_(metrics),
      method_(std::move(method)),
      request_id_(std::move(request_id)),
      start_(Now()) {
  metrics_.impl_->InFlight(method_).Add(1);
}

CallScope::~CallScope() {
  if (!finished_) (void)Finish(Cancelled("the call ended without a status"));
}

absl::Status CallScope::Finish(absl::Status status) {
  if (finished_) return status;
  finished_ = true;
  const double seconds = SecondsSince(start_);
  const std::string code = absl::StatusCodeToString(status.code());
  metrics_.impl_->InFlight(method_).Add(-1);
  metrics_.impl_->Seconds(method_).Observe(seconds);
  metrics_.impl_->Calls(method_, code).Add();
  if (!status.ok()) {
    const LogLevel level = absl::IsCancelled(status) ? LogLevel::kInfo : LogLevel::kWarning;
    Log(level, "rpc failed",
        {{"method", method_},
         {"request", request_id_},
         {"code", code},
         {"seconds", seconds},
         {"error", Message(status)}});
  }
  return status;
}

}  // namespace conclave
