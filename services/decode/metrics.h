// Every metric of a decode worker, beside those of rpc (conclave_rpc_*) and of the expert plane
// (conclave_experts_*).
#pragma once

#include "common/observe/metrics.h"

namespace conclave {

struct DecodeMetrics {
  explicit DecodeMetrics(MetricRegistry& registry)
      : finished(registry.GetCounter("conclave_decode_finished_total",
                                     "Sequences that ended by themselves")),
        cancelled(
            registry.GetCounter("conclave_decode_cancelled_total",
                                "Sequences whose client went away; their KV pages came back")),
        failed(registry.GetCounter("conclave_decode_failed_total",
                                   "Sequences that ended with an error")),
        refused(registry.GetCounter("conclave_decode_refused_total",
                                    "Requests refused at once: overload")),
        tokens(registry.GetCounter("conclave_decode_tokens_total", "Tokens generated")),
        handoff_retries(registry.GetCounter("conclave_decode_handoff_retries_total",
                                            "Prompts asked again of another prefill worker")),
        waiting(registry.GetGauge("conclave_decode_waiting", "Sequences waiting for KV pages")),
        receiving(registry.GetGauge("conclave_decode_receiving",
                                    "Sequences whose prompt is being computed")),
        running(registry.GetGauge("conclave_decode_running", "Sequences that generate")),
        pages_total(Pages(registry, "total")),
        pages_free(Pages(registry, "free")),
        pages_quarantined(Pages(registry, "quarantined")),
        step_seconds(registry.GetHistogram("conclave_decode_step_seconds",
                                           "One step over all running sequences",
                                           LatencyBuckets())),
        first_token_seconds(registry.GetHistogram("conclave_decode_first_token_seconds",
                                                  "From the request's arrival to its first token",
                                                  LatencyBuckets())) {}

  Counter finished, cancelled, failed, refused, tokens, handoff_retries;
  Gauge waiting, receiving, running;
  Gauge pages_total, pages_free, pages_quarantined;
  Histogram step_seconds, first_token_seconds;

 private:
  static Gauge Pages(MetricRegistry& registry, const char* state) {
    return registry.GetGauge(std::string("conclave_kv_pages_") + state,
                             "KV pages of 64 tokens, by state", {{"role", "decode"}});
  }
};

}  // namespace conclave
