#include "services/prefill/config.h"

namespace conclave {

void BindPrefillConfig(ConfigParser& parser, PrefillConfig* config) {
  BindWorkerConfig(parser, &config->worker, true);
  parser.Add("chunk-tokens", &config->chunk_tokens,
             "prompt tokens of one step, over all prompts in it", 1, 1 << 16);
  parser.Add("max-queued", &config->max_queued, "prompts that may wait or be computed", 1, 1 << 20);
  parser.Add("step-timeout-ms", &config->step_timeout_ms,
             "milliseconds for one step, expert hosts included", 100, 600000);
}

}  // namespace conclave
