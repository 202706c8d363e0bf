// The settings that every worker role shares.
#pragma once

#include <string>

#include "common/base/progress.h"
#include "common/config/config.h"
#include "common/engine/compute_mode.h"
#include "common/engine/kv_format.h"

namespace conclave {

struct WorkerConfig {
  std::string model_dir;                // Hugging Face checkpoint folder
  std::string model_id;                 // name it is served under; empty = the folder's name
  std::string etcd = "127.0.0.1:2379";  // endpoints, separated by commas
  std::string cluster = "default";
  std::string host = "127.0.0.1";  // to listen on
  int port = 0;                    // gRPC, 0 = a free one
  int metrics_port = 0;            // HTTP, 0 = a free one
  std::string id;                  // member id; empty = "<role>-<random>"
  std::string mode = "bf16";       // f32, bf16, int8 or w8a8
  std::string kv_cache =
      "auto";                   // format of cached keys and values: auto (the mode's), fp8 or bf16
  int threads = 0;              // of one step and of loading, 0 = one per core
  int kv_pages = 1024;          // of 64 tokens, over all layers; attention workers only
  int lease_ttl_s = 3;          // seconds
  int drain_s = 10;             // seconds that running work gets after SIGTERM
  std::string ucx_tls = "tcp";  // UCX transports
  std::string ucx_device = "lo";  // interface that the other workers reach
  int ucx_spin_us = 20;           // microseconds of polling after activity, then sleep; 0 = none
  std::string log_level = "info";
  std::string progress_label = "loading";  // on a terminal; empty = draw nothing
  std::string progress_file;               // loading progress is written there; empty = nowhere

  ComputeMode compute_mode() const;
  // For a person at the terminal where the process was started, and for progress_file.
  ProgressCallback load_progress() const;
  KvFormat kv_format() const;
  std::string served_model() const;  // model_id or the folder's name
};

// Declares --model, --etcd, ... ; --kv-pages only for attention workers.
void BindWorkerConfig(ConfigParser& parser, WorkerConfig* config, bool attention_worker);

}  // namespace conclave
