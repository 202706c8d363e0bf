#include "services/cli/serve/config.h"

namespace conclave {

void BindServeConfig(ConfigParser& parser, ServeConfig& config) {
  parser.Add("model", &config.model_dir, "checkpoint folder (Hugging Face layout)");
  parser.Add("model-id", &config.model_id,
             "name under which the model is served; default: the folder's name");
  parser.AddChoice("mode", &config.mode, "compute mode", {"f32", "bf16", "int8", "w8a8"});
  parser.AddChoice("kv-cache", &config.kv_cache, "format of cached keys and values",
                   {"auto", "fp8", "bf16"});
  parser.Add("host", &config.host, "IPv4 address to listen on");
  parser.Add("http-port", &config.http_port, "port of the OpenAI-compatible API, 0 = a free one", 0,
             65535);
  parser.Add("grpc-port", &config.grpc_port, "port of conclave.v1.Inference, 0 = a free one", 0,
             65535);
  parser.Add("expert-hosts", &config.expert_hosts,
             "expert hosts in the process, 0 = experts inside the workers", 0, 16);
  parser.Add("expert-replicas", &config.expert_replicas, "copies of every routed expert", 1, 16);
  parser.Add("threads", &config.threads, "compute threads of all roles together, 0 = one per core",
             0, 1024);
  parser.Add("kv-pages", &config.kv_pages, "KV pages of 64 tokens per attention worker", 1,
             1 << 24);
  parser.Add("start-timeout-s", &config.start_timeout_s,
             "give up when the roles are not ready so long after the weights were loaded", 1,
             86400);
  parser.AddChoice("log-level", &config.log_level, "of the log on stderr",
                   {"debug", "info", "warning", "error"});
  parser.Add("ready-file", &config.ready_file, "JSON with endpoints, written when ready");
}

}  // namespace conclave
