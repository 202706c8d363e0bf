#include "services/router/metrics.h"

namespace conclave {
namespace {

constexpr char kTokens[] = "conclave_router_tokens_total";
constexpr char kTokensHelp[] = "Tokens by kind; reasoning tokens are part of the completion";

}  // namespace

RouterMetrics::RouterMetrics(MetricRegistry& registry)
    : ttft(registry.GetHistogram("conclave_router_ttft_seconds",
                                 "Time from the request to its first token", LatencyBuckets())),
      in_flight(registry.GetGauge("conclave_router_in_flight", "Generations running now")),
      connections(registry.GetGauge("conclave_router_http_connections", "Open HTTP connections")),
      ready(registry.GetGauge("conclave_router_ready", "1 when the router can serve")),
      prompt_tokens(registry.GetCounter(kTokens, kTokensHelp, {{"kind", "prompt"}})),
      completion_tokens(registry.GetCounter(kTokens, kTokensHelp, {{"kind", "completion"}})),
      reasoning_tokens(registry.GetCounter(kTokens, kTokensHelp, {{"kind", "reasoning"}})),
      disconnects(registry.GetCounter("conclave_router_disconnects_total",
                                      "Clients that left before their answer was complete")),
      retries(registry.GetCounter("conclave_router_retries_total",
                                  "Generations placed again because a decode worker was lost")),
      registry_(registry) {}

void RouterMetrics::RequestDone(const std::string& endpoint, const std::string& code,
                                double seconds) {
  registry_
      .GetCounter("conclave_router_requests_total", "Answered requests",
                  {{"endpoint", endpoint}, {"code", code}})
      .Add();
  registry_
      .GetHistogram("conclave_router_request_seconds",
                    "Time from the request to the end of its answer", LatencyBuckets(),
                    {{"endpoint", endpoint}})
      .Observe(seconds);
}

}  // namespace conclave
