// Every metric of a prefill worker, beside those of rpc (conclave_rpc_*) and of the expert plane
// (conclave_experts_*).
#pragma once

#include <string>

#include "common/observe/metrics.h"

namespace conclave {

struct PrefillMetrics {
  explicit PrefillMetrics(MetricRegistry& registry)
      : finished(
            registry.GetCounter("conclave_prefill_finished_total", "Prompts computed and pushed")),
        cancelled(registry.GetCounter("conclave_prefill_cancelled_total",
                                      "Prompts whose caller went away")),
        failed(registry.GetCounter("conclave_prefill_failed_total",
                                   "Prompts that ended with an error")),
        refused(registry.GetCounter("conclave_prefill_refused_total",
                                    "Prompts refused at once: overload")),
        tokens(registry.GetCounter("conclave_prefill_tokens_total", "Prompt tokens computed")),
        waiting(registry.GetGauge("conclave_prefill_waiting", "Prompts waiting for KV pages")),
        computing(registry.GetGauge("conclave_prefill_computing", "Prompts being computed")),
        ending(
            registry.GetGauge("conclave_prefill_ending", "Prompts whose push is being finished")),
        pages_total(Pages(registry, "total")),
        pages_free(Pages(registry, "free")),
        pages_quarantined(Pages(registry, "quarantined")),
        step_seconds(registry.GetHistogram("conclave_prefill_step_seconds",
                                           "One step over chunks of prompts", LatencyBuckets())) {}

  Counter finished, cancelled, failed, refused, tokens;
  Gauge waiting, computing, ending;
  Gauge pages_total, pages_free, pages_quarantined;
  Histogram step_seconds;

 private:
  static Gauge Pages(MetricRegistry& registry, const char* state) {
    return registry.GetGauge(std::string("conclave_kv_pages_") + state,
                             "KV pages of 64 tokens, by state", {{"role", "prefill"}});
  }
};

}  // namespace conclave
