#include "common/client/workers/worker_config.h"

namespace conclave {

ComputeMode WorkerConfig::compute_mode() const {
  ComputeMode parsed = ComputeMode::kBF16;
  ParseComputeMode(mode, &parsed);  // the parser accepted the two names only
  return parsed;
}

ProgressCallback WorkerConfig::load_progress() const {
  return Both(progress_label.empty() ? ProgressCallback()
                                     : StderrProgress(progress_label, /*json_logs=*/true),
              progress_file.empty() ? ProgressCallback() : FileProgress(progress_file));
}

KvFormat WorkerConfig::kv_format() const {
  KvFormat parsed = KvFormat::kMode;
  ParseKvFormat(kv_cache, &parsed);  // likewise
  return parsed;
}

std::string WorkerConfig::served_model() const {
  if (!model_id.empty()) return model_id;
  std::string path = model_dir;
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

void BindWorkerConfig(ConfigParser& parser, WorkerConfig* config, bool attention_worker) {
  parser.Add("model", &config->model_dir, "checkpoint folder in the Hugging Face layout", true);
  parser.Add("model-id", &config->model_id,
             "name the model is served under (default: the folder's name)");
  parser.Add("etcd", &config->etcd, "etcd endpoints host:port, separated by commas");
  parser.Add("cluster", &config->cluster,
             "cluster name; clusters of different names ignore each other");
  parser.Add("host", &config->host, "address to listen on; other workers must be able to reach it");
  parser.Add("port", &config->port, "gRPC port, 0 = a free one", 0, 65535);
  parser.Add("metrics-port", &config->metrics_port, "HTTP port of /metrics, 0 = a free one", 0,
             65535);
  parser.Add("id", &config->id, "member id (default: role and a random suffix)");
  parser.AddChoice("mode", &config->mode, "compute mode, one for the whole cluster",
                   {"f32", "bf16", "int8", "w8a8"});
  parser.AddChoice("kv-cache", &config->kv_cache,
                   "format of cached keys and values, one for the whole cluster: the compute "
                   "mode's, or for latent attention e4m3 with scales, or bf16",
                   {"auto", "fp8", "bf16"});
  parser.Add("threads", &config->threads, "threads of one step, 0 = one per core", 0, 1024);
  if (attention_worker) {
    parser.Add("kv-pages", &config->kv_pages, "KV pages of 64 tokens", 1, 1 << 24);
  }
  parser.Add("lease-ttl-s", &config->lease_ttl_s,
             "seconds after which a dead process leaves the cluster", 1, 3600);
  parser.Add("drain-s", &config->drain_s, "seconds that running work gets after SIGTERM", 0, 3600);
  parser.Add("ucx-tls", &config->ucx_tls, "UCX transports of the data plane");
  parser.Add("ucx-device", &config->ucx_device,
             "network interface of the data plane, e.g. lo or eth0");
  parser.Add("ucx-spin-us", &config->ucx_spin_us,
             "microseconds that the data plane polls after activity before it sleeps", 0, 1 << 30);
  parser.AddChoice("log-level", &config->log_level, "least severe level to log",
                   {"debug", "info", "warning", "error", "off"});
  parser.Add("progress-file", &config->progress_file,
             "file that tells a parent process how far loading is; empty = none");
}

}  // namespace conclave
