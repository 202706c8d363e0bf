// Settings of a router.
#pragma once

#include <cstdint>
#include <string>

#include "common/config/config.h"

namespace conclave {

struct RouterConfig {
  std::string model_dir;  // Hugging Face folder: tokenizer, chat format and config.json are read
  std::string model_id;   // name it is served under; empty = the folder's name
  std::string etcd = "127.0.0.1:2379";  // endpoints, separated by commas
  std::string cluster = "default";
  std::string host = "127.0.0.1";    // to listen on
  int http_port = 8000;              // 0 = a free one
  int grpc_port = 0;                 // 0 = a free one
  std::string id;                    // member id; empty = "router-<random>"
  int request_timeout_s = 120;       // seconds; no request lasts longer, clients may ask for less
  int64_t max_body_bytes = 4 << 20;  // of an HTTP request; 413 beyond
  int max_in_flight = 256;           // generations at once; 429 beyond
  int decode_capacity = 64;    // sequences that count as a full decode worker when ranking them
  int prefill_capacity = 4;    // prompts that count as a full prefill worker when ranking them
  int http_threads = 2;        // that serve connections
  int tokenize_threads = 2;    // that validate, render and tokenize
  int max_connections = 1024;  // HTTP connections at once; 503 beyond
  bool local_experts =
      false;            // workers hold all experts themselves: readiness asks for no placement
  int lease_ttl_s = 3;  // seconds
  int drain_s = 10;     // seconds that running requests get after SIGTERM
  std::string log_level = "info";

  std::string served_model() const;  // model_id or the folder's name
};

// Declares --model, --model-id, --etcd, ...
void BindRouterConfig(ConfigParser& parser, RouterConfig* config);

}  // namespace conclave
