// Settings of `conclave up`.
#pragma once

#include <string>

#include "common/config/config.h"

namespace conclave {

struct UpConfig {
  std::string model_dir = "deploy/model";
  std::string model_id;           // empty = the model's own name
  std::string mode = "bf16";      // compute mode of the whole cluster
  std::string kv_cache = "auto";  // format of cached keys and values: auto, fp8 or bf16
  std::string host = "127.0.0.1";
  int http_port = 8000;  // 0 = a free one
  int prefill = 1;
  int decode = 1;
  int expert_hosts = 2;
  int expert_replicas = 2;  // copies of every routed expert
  int threads = 0;          // compute threads per worker; 0 = one per core
  int kv_pages = 0;         // of 64 tokens, per attention worker; 0 = the workers' default
  int ucx_spin_us = 20;     // of the workers' data plane; see common/transport
  int start_timeout_s = 60;
  std::string etcd = "etcd";  // program
  std::string log_dir;        // empty = a temporary folder, removed at the end
  std::string log_level = "info";
  std::string ready_file;  // written once the cluster is ready: JSON with endpoints and process ids
  std::string prompt;      // ask this, print the answer, stop
  bool show_reasoning = false;
  bool no_chat = false;  // run until Ctrl-C
};

void BindUpConfig(ConfigParser& parser, UpConfig& config);

}  // namespace conclave
