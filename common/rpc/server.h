// A role's gRPC server: the services given, standard health, reflection, keepalive limits that fit
// our clients, bounded message sizes.
#pragma once

#include <grpcpp/impl/service_type.h>
#include <grpcpp/server.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/rpc/channel.h"

namespace conclave {

// Servers of one process, by name. Thread-safe. Must outlive the servers registered in it; its
// channel providers may outlive it.
class InProcessNetwork {
 public:
  InProcessNetwork();
  ~InProcessNetwork();
  // Get("name") gives an in-process channel; an unknown name a channel on which every call is
  // UNAVAILABLE.
  std::unique_ptr<ChannelProvider> Channels();

 private:
  friend class RpcServer;
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

struct RpcServerOptions {
  std::string host = "127.0.0.1";
  int port = 0;                            // 0 = a free one
  InProcessNetwork* in_process = nullptr;  // set: no port at all, reachable there under `name` only
  std::string name;
  int64_t max_message_bytes = 64 << 20;
};

class RpcServer {
 public:
  // `services` must outlive the server. AlreadyExists naming host and port when the port is in use,
  // or the in-process name when another server has it; Unavailable when `host` is no address of
  // this machine.
  static absl::StatusOr<std::unique_ptr<RpcServer>> Start(
      const RpcServerOptions& options, const std::vector<grpc::Service*>& services);
  ~RpcServer();
  // "host:port", or the in-process name: what goes into the member record.
  const std::string& address() const { return address_; }
  // Standard health of the whole server (service name ""); starts as NOT_SERVING.
  void SetServing(bool serving);
  // No new calls; running ones may finish within `grace`, then they are cancelled. Idempotent.
  void Shutdown(std::chrono::milliseconds grace);

 private:
  RpcServer();
  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::string address_;
};

}  // namespace conclave
