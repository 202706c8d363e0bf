// GET /metrics for roles without an HTTP front door.
#pragma once

#include <memory>
#include <string>

#include "common/base/status.h"
#include "common/observe/metrics.h"

namespace conclave {

class MetricsServer {
 public:
  // port 0 = a free one. AlreadyExists naming host and port when it is in use.
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(MetricRegistry& registry,
                                                              const std::string& host, int port);
  ~MetricsServer();
  const std::string& address() const { return address_; }  // "host:port"

 private:
  MetricsServer();
  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::string address_;
};

}  // namespace conclave
