// The decode role: owns sequences from admission to their last token.
#pragma once

#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/client/workers/worker_deps.h"
#include "services/decode/config.h"

namespace conclave {

// Thread-safe. Runs its own threads until Stop.
class DecodeServer {
 public:
  // Loads what it needs, listens and takes part in the cluster. Errors of the checkpoint, of memory
  // and of ports come back from here.
  static absl::StatusOr<std::unique_ptr<DecodeServer>> Start(const DecodeConfig& config,
                                                             WorkerDeps deps);
  ~DecodeServer();  // Stop

  // Withdraws from the cluster, lets running work finish for up to config.worker.drain_s seconds,
  // ends the rest and joins every thread. Idempotent.
  void Stop();
  // Blocks until it takes work; DeadlineExceeded says what it still waits for.
  absl::Status WaitReady(SteadyTime deadline);

  const std::string& id() const;               // member id
  const std::string& address() const;          // gRPC: "host:port" or the in-process name
  const std::string& metrics_address() const;  // HTTP "host:port"; empty in-process

 private:
  struct Impl;
  explicit DecodeServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace conclave
