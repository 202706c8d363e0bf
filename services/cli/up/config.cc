#include "services/cli/up/config.h"

namespace conclave {

void BindUpConfig(ConfigParser& parser, UpConfig& config) {
  parser.Add("model", &config.model_dir, "checkpoint folder (Hugging Face layout)");
  parser.Add("model-id", &config.model_id,
             "name under which the model is served; default: the folder's name");
  parser.AddChoice("mode", &config.mode, "compute mode of the whole cluster",
                   {"f32", "bf16", "int8", "w8a8"});
  parser.AddChoice("kv-cache", &config.kv_cache, "format of cached keys and values",
                   {"auto", "fp8", "bf16"});
  parser.Add("host", &config.host, "IPv4 address that every server binds to");
  parser.Add("http-port", &config.http_port, "port of the OpenAI-compatible API, 0 = a free one", 0,
             65535);
  parser.Add("prefill", &config.prefill, "prefill workers", 1, 64);
  parser.Add("decode", &config.decode, "decode workers", 1, 64);
  parser.Add("expert-hosts", &config.expert_hosts,
             "expert hosts; none are started for a model without routed experts", 1, 64);
  parser.Add("expert-replicas", &config.expert_replicas,
             "copies of every routed expert, on different hosts", 1, 64);
  parser.Add("threads", &config.threads, "compute threads per worker, 0 = one per core", 0, 1024);
  parser.Add("kv-pages", &config.kv_pages,
             "KV pages of 64 tokens per attention worker, 0 = default", 0, 1 << 24);
  parser.Add("ucx-spin-us", &config.ucx_spin_us, "the data plane polls so long before it sleeps", 0,
             1 << 30);
  parser.Add("start-timeout-s", &config.start_timeout_s,
             "give up when the cluster is not ready, and nothing was loaded, for so long", 1, 3600);
  parser.Add("etcd", &config.etcd, "etcd program to run");
  parser.Add("log-dir", &config.log_dir,
             "where the processes' logs go; default: a temporary folder");
  parser.AddChoice("log-level", &config.log_level, "of all processes",
                   {"debug", "info", "warning", "error"});
  parser.Add("ready-file", &config.ready_file,
             "JSON with endpoints and process ids, written when ready");
  parser.Add("prompt", &config.prompt, "ask this, print the answer, stop everything");
  parser.Add("show-reasoning", &config.show_reasoning,
             "with --prompt: print the reasoning too, to stderr");
  parser.Add("no-chat", &config.no_chat, "no terminal chat: run until Ctrl-C");
}

}  // namespace conclave
