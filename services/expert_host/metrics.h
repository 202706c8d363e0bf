// Every metric of an expert host, beside those of rpc (conclave_rpc_*).
#pragma once

#include <string>
#include <vector>

#include "common/client/workers/mirrored_counter.h"
#include "common/observe/metrics.h"
#include "common/remote_experts/expert_server.h"

namespace conclave {

// `host` is the member id: in one process several hosts share a registry. Used by one collection at
// a time.
class ExpertHostMetrics {
 public:
  ExpertHostMetrics(MetricRegistry& registry, const std::string& host, int layers)
      : dispatches_(
            Total(registry, "dispatches", "Messages of routed rows taken off the transport", host)),
        picks_(Total(registry, "picks", "Picks (row, expert) computed", host)),
        batches_(Total(registry, "batches", "Batches computed, over all clients", host)),
        not_hosted_(
            Total(registry, "not_hosted", "Messages refused: an expert is not held here", host)),
        busy_(Total(registry, "busy", "Messages refused: the queue is full", host)),
        expired_(Total(registry, "expired", "Messages whose deadline passed in the queue", host)),
        invalid_(Total(registry, "invalid", "Messages dropped: unknown sender or damaged", host)),
        queued_(registry.GetGauge("conclave_expert_host_queued_picks", "Picks waiting",
                                  {{"host", host}})),
        resident_(registry.GetGauge("conclave_expert_host_resident_bytes",
                                    "Bytes of expert weights in memory", {{"host", host}})),
        hosted_(registry.GetGauge("conclave_expert_host_hosted_experts",
                                  "Experts (layer, expert) in memory", {{"host", host}})),
        epoch_(registry.GetGauge("conclave_expert_host_epoch",
                                 "Newest map whose experts are all loaded", {{"host", host}})),
        leader_(registry.GetGauge("conclave_expert_host_leader",
                                  "1 while this host plans the placement", {{"host", host}})) {
    for (int layer = 0; layer < layers; ++layer) {
      layer_picks_.emplace_back(
          registry.GetCounter("conclave_expert_host_layer_picks_total", "Picks computed, by layer",
                              {{"host", host}, {"layer", std::to_string(layer)}}));
    }
  }

  struct Values {
    ExpertServer::Counters server;
    int64_t resident_bytes = 0;
    int hosted_experts = 0;
    uint64_t epoch = 0;
    bool leader = false;
    std::vector<uint64_t> layer_picks;  // [layers]
  };
  void Follow(const Values& now) {
    dispatches_.Follow(now.server.dispatches);
    picks_.Follow(now.server.picks);
    batches_.Follow(now.server.batches);
    not_hosted_.Follow(now.server.not_hosted);
    busy_.Follow(now.server.busy);
    expired_.Follow(now.server.expired);
    invalid_.Follow(now.server.invalid);
    queued_.Set(static_cast<double>(now.server.queued_rows));
    resident_.Set(static_cast<double>(now.resident_bytes));
    hosted_.Set(now.hosted_experts);
    epoch_.Set(static_cast<double>(now.epoch));
    leader_.Set(now.leader ? 1 : 0);
    for (size_t i = 0; i < layer_picks_.size() && i < now.layer_picks.size(); ++i) {
      layer_picks_[i].Follow(now.layer_picks[i]);
    }
  }

 private:
  static MirroredCounter Total(MetricRegistry& registry, const std::string& what,
                               const std::string& help, const std::string& host) {
    return MirroredCounter(
        registry.GetCounter("conclave_expert_host_" + what + "_total", help, {{"host", host}}));
  }

  MirroredCounter dispatches_, picks_, batches_, not_hosted_, busy_, expired_, invalid_;
  Gauge queued_, resident_, hosted_, epoch_, leader_;
  std::vector<MirroredCounter> layer_picks_;
};

}  // namespace conclave
