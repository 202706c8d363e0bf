// Settings of a decode worker.
#pragma once

#include "common/client/workers/worker_config.h"

namespace conclave {

struct DecodeConfig {
  WorkerConfig worker;
  int max_running = 64;         // sequences of one step
  int max_queued = 256;         // sequences waiting for KV pages
  int step_timeout_ms = 10000;  // milliseconds for one step, expert hosts included
  int handoff_timeout_ms =
      5000;  // milliseconds from the prefill worker's answer to the last byte of KV
  int max_stream_backlog = 4096;  // messages that a slow client may lag behind
  int default_deadline_s = 600;   // seconds for a call that came without a deadline
};

void BindDecodeConfig(ConfigParser& parser, DecodeConfig* config);

}  // namespace conclave
