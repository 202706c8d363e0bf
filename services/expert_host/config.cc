#include "services/expert_host/config.h"

namespace conclave {

void BindExpertHostConfig(ConfigParser& parser, ExpertHostConfig* config) {
  BindWorkerConfig(parser, &config->worker, false);
  parser.Add("expert-replicas", &config->expert_replicas,
             "copies of every expert, as far as there are hosts", 1, 1024);
  parser.Add("plan-debounce-ms", &config->plan_debounce_ms,
             "milliseconds without a member change before a new map is planned", 0, 60000);
  parser.Add("max-queued-rows", &config->max_queued_rows, "picks waiting over all clients", 1,
             1 << 24);
}

}  // namespace conclave
