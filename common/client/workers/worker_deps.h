// What a worker role is built from: over a network in a process of its own, or all in one process.
#pragma once

#include <memory>

#include "common/cluster/store.h"
#include "common/concurrency/thread_pool.h"
#include "common/engine/expert_backend.h"
#include "common/engine/model.h"
#include "common/observe/metrics.h"
#include "common/rpc/channel.h"
#include "common/rpc/server.h"
#include "common/transport/transport.h"

namespace conclave {

// Raw pointers are borrowed and must outlive the server.
struct WorkerDeps {
  Store* store = nullptr;
  std::unique_ptr<Transport> transport;  // not shared between roles
  ChannelProvider* channels = nullptr;
  InProcessNetwork* in_process = nullptr;  // set: no ports; the gRPC address is the member id
  std::shared_ptr<const Model> model;      // attention workers; null = loaded from config.model_dir
  std::unique_ptr<ExpertBackend>
      local_experts;                  // attention workers; set: used instead of expert hosts
  ThreadPool* pool = nullptr;         // null = own, of config.threads
  MetricRegistry* metrics = nullptr;  // null = own
};

}  // namespace conclave
