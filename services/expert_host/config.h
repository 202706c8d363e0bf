// Settings of an expert host.
#pragma once

#include "common/client/workers/worker_config.h"

namespace conclave {

struct ExpertHostConfig {
  WorkerConfig worker;
  int expert_replicas = 2;      // copies of every expert, as far as there are hosts
  int plan_debounce_ms = 200;   // milliseconds without a member change before a new map is planned
  int max_queued_rows = 65536;  // picks waiting over all clients
};

void BindExpertHostConfig(ConfigParser& parser, ExpertHostConfig* config);

}  // namespace conclave
