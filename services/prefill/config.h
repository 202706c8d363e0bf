// Settings of a prefill worker.
#pragma once

#include "common/client/workers/worker_config.h"

namespace conclave {

struct PrefillConfig {
  WorkerConfig worker;
  int chunk_tokens = 512;       // prompt tokens computed in one step, over all prompts of the step
  int max_queued = 64;          // prompts waiting or being computed
  int step_timeout_ms = 30000;  // milliseconds for one step, expert hosts included
};

void BindPrefillConfig(ConfigParser& parser, PrefillConfig* config);

}  // namespace conclave
