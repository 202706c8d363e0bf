#include "services/decode/config.h"

namespace conclave {

void BindDecodeConfig(ConfigParser& parser, DecodeConfig* config) {
  BindWorkerConfig(parser, &config->worker, true);
  parser.Add("max-running", &config->max_running, "sequences of one step", 1, 4096);
  parser.Add("max-queued", &config->max_queued, "sequences that may wait for KV pages", 0, 1 << 20);
  parser.Add("step-timeout-ms", &config->step_timeout_ms,
             "milliseconds for one step, expert hosts included", 100, 600000);
  parser.Add("handoff-timeout-ms", &config->handoff_timeout_ms,
             "milliseconds from the prefill worker's answer to the last byte of KV", 10, 600000);
  parser.Add("max-stream-backlog", &config->max_stream_backlog,
             "messages a slow client may lag behind", 1, 1 << 20);
  parser.Add("default-deadline-s", &config->default_deadline_s, "longest request, in seconds", 1,
             86400);
}

}  // namespace conclave
