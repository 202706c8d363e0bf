// Settings of `conclave serve`.
#pragma once

#include <string>

#include "common/config/config.h"

namespace conclave {

struct ServeConfig {
  std::string model_dir = "deploy/model";
  std::string model_id;           // empty = the folder's name
  std::string mode = "bf16";      // compute mode
  std::string kv_cache = "auto";  // format of cached keys and values: auto, fp8 or bf16
  std::string host = "127.0.0.1";
  int http_port = 8000;  // 0 = a free one
  int grpc_port = 0;
  int expert_hosts =
      1;  // expert-host roles over the in-process transport; 0 = experts inside the workers
  int expert_replicas = 2;  // copies of every routed expert, as far as there are hosts
  int threads = 0;          // compute threads, shared by all roles; 0 = one per core
  int kv_pages = 1024;      // of 64 tokens, per attention worker
  int start_timeout_s = 600;  // for the expert hosts to load, once the rest is loaded
  std::string log_level = "info";
  std::string ready_file;  // written once it serves: JSON with endpoints
};

void BindServeConfig(ConfigParser& parser, ServeConfig& config);

}  // namespace conclave
