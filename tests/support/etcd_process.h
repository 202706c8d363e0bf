// A real etcd for tests, on free loopback ports with a data folder of its own.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "common/base/status.h"

namespace conclave {

// Ends with its owner, and with the test process on every path. Not thread-safe.
class EtcdProcess {
 public:
  // Returns when it accepts connections. Unavailable with the end of its log otherwise.
  static absl::StatusOr<std::unique_ptr<EtcdProcess>> Start();
  ~EtcdProcess();

  const std::string& endpoint() const { return endpoint_; }  // "127.0.0.1:port"
  pid_t pid() const { return pid_; }
  void Freeze();
  void Thaw();
  void Kill();             // SIGKILL; ports and data stay ours
  absl::Status Restart();  // after Kill: same port, same data

 private:
  EtcdProcess() = default;
  absl::Status Launch();
  absl::Status WaitUntilListening();
  std::string LogTail() const;

  std::string folder_, endpoint_, log_path_;
  int client_port_ = 0, peer_port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace conclave
