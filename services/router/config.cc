#include "services/router/config.h"

#include <filesystem>

namespace conclave {

std::string RouterConfig::served_model() const {
  if (!model_id.empty()) return model_id;
  const std::filesystem::path path = std::filesystem::absolute(model_dir).lexically_normal();
  return path.has_filename() ? path.filename().string() : path.parent_path().filename().string();
}

void BindRouterConfig(ConfigParser& parser, RouterConfig* config) {
  parser.Add("model", &config->model_dir,
             "checkpoint folder; its tokenizer, chat format and config.json are read", true);
  parser.Add("model-id", &config->model_id, "name that clients use; default: the folder's name");
  parser.Add("etcd", &config->etcd, "etcd endpoints, separated by commas");
  parser.Add("cluster", &config->cluster, "name of the cluster: several may share one etcd");
  parser.Add("host", &config->host, "IP address to listen on");
  parser.Add("http-port", &config->http_port, "port of the HTTP front door, 0 for a free one", 0,
             65535);
  parser.Add("grpc-port", &config->grpc_port, "port of the gRPC front door, 0 for a free one", 0,
             65535);
  parser.Add("id", &config->id, "member id; default: router-<random>");
  parser.Add("request-timeout-s", &config->request_timeout_s,
             "seconds that a request may take at most", 1, 86400);
  parser.Add("max-body-bytes", &config->max_body_bytes, "largest HTTP request body", int64_t{1024},
             int64_t{1} << 30);
  parser.Add("max-in-flight", &config->max_in_flight,
             "generations at once; more are refused with 429", 1, 1000000);
  parser.Add("decode-capacity", &config->decode_capacity,
             "sequences at which a decode worker ranks as full", 1, 100000);
  parser.Add("prefill-capacity", &config->prefill_capacity,
             "prompts at which a prefill worker ranks as full", 1, 100000);
  parser.Add("http-threads", &config->http_threads, "threads that serve connections", 1, 64);
  parser.Add("tokenize-threads", &config->tokenize_threads,
             "threads that validate and tokenize prompts", 1, 64);
  parser.Add("max-connections", &config->max_connections,
             "HTTP connections at once; more are refused with 503", 1, 100000);
  parser.Add("local-experts", &config->local_experts,
             "workers hold all experts: be ready without expert hosts");
  parser.Add("lease-ttl-s", &config->lease_ttl_s,
             "seconds after which a dead router leaves the cluster", 1, 300);
  parser.Add("drain-s", &config->drain_s, "seconds that running requests get after SIGTERM", 0,
             3600);
  parser.AddChoice("log-level", &config->log_level, "least level that is logged",
                   {"debug", "info", "warning", "error", "off"});
}

}  // namespace conclave
