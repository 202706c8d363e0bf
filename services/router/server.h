// The router role: HTTP and gRPC front doors over one pipeline.
#pragma once

#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/cluster/store.h"
#include "common/observe/metrics.h"
#include "common/rpc/channel.h"
#include "common/rpc/server.h"
#include "services/router/config.h"

namespace conclave {

// What a router is built from. Everything is borrowed and must outlive the server.
struct RouterDeps {
  Store* store = nullptr;
  ChannelProvider* channels = nullptr;  // to decode workers
  InProcessNetwork* in_process =
      nullptr;  // set: the gRPC front door is reachable there only, under the member id
  MetricRegistry* metrics = nullptr;  // null = own
};

// Thread-safe. Runs its own threads until Stop.
class RouterServer {
 public:
  // Loads tokenizer and chat format, listens on both doors and joins the cluster. Errors of the
  // model folder and of ports come back from here; missing workers do not, they show in /ready and
  // as UNAVAILABLE.
  static absl::StatusOr<std::unique_ptr<RouterServer>> Start(const RouterConfig& config,
                                                             RouterDeps deps);
  ~RouterServer();  // Stop

  // Withdraws from the cluster, refuses new requests, lets running ones finish for up to
  // config.drain_s seconds, cancels the rest and joins every thread. Idempotent.
  void Stop();
  // Blocks until /ready would be 200; DeadlineExceeded names what is missing.
  absl::Status WaitReady(SteadyTime deadline);

  const std::string& id() const;            // member id
  const std::string& http_address() const;  // "host:port"
  const std::string& grpc_address() const;  // "host:port" or the in-process name

 private:
  struct Impl;
  explicit RouterServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace conclave
