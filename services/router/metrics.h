// The router's metrics.
//
//   conclave_router_requests_total{endpoint,code}   answered requests; HTTP status or gRPC code
//   name conclave_router_request_seconds{endpoint}       from the received request to its last byte
//   handed over conclave_router_ttft_seconds                    from the received request to its
//   first token conclave_router_in_flight                       generations running now
//   conclave_router_tokens_total{kind}              prompt, completion, reasoning (part of
//   completion) conclave_router_disconnects_total               clients that left before their
//   answer was complete conclave_router_retries_total                   generations placed again
//   because a decode worker was lost conclave_router_http_connections                open ones
//   conclave_router_ready                           1 when /ready answers 200
#pragma once

#include <string>

#include "common/observe/metrics.h"

namespace conclave {

// Thread-safe. `registry` must outlive it. `endpoint` comes from the fixed list of routes, never
// from a client.
class RouterMetrics {
 public:
  explicit RouterMetrics(MetricRegistry& registry);

  void RequestDone(const std::string& endpoint, const std::string& code, double seconds);

  Histogram ttft;
  Gauge in_flight, connections, ready;
  Counter prompt_tokens, completion_tokens, reasoning_tokens, disconnects, retries;

 private:
  MetricRegistry& registry_;
};

}  // namespace conclave
