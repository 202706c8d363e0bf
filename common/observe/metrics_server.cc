#include "common/observe/metrics_server.h"

#include <arpa/inet.h>
#include <prometheus/exposer.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <exception>

#include "common/observe/registry_impl.h"

namespace conclave {
namespace {

// civetweb does not say why it could not listen; a bind of our own does.
bool PortInUse(const std::string& host, int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) return false;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const bool in_use = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 &&
                      errno == EADDRINUSE;
  close(fd);
  return in_use;
}

}  // namespace

struct MetricsServer::Impl {
  std::shared_ptr<Collector> collector;  // the exposer holds it weakly
  std::unique_ptr<prometheus::Exposer> exposer;
};

MetricsServer::MetricsServer() : impl_(std::make_unique<Impl>()) {}
MetricsServer::~MetricsServer() = default;

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(MetricRegistry& registry,
                                                                    const std::string& host,
                                                                    int port) {
  std::unique_ptr<MetricsServer> server(new MetricsServer);
  const std::string where = fmt::format("{}:{}", host, port);
  if (port != 0 && PortInUse(host, port)) {
    return AlreadyExists(
        "metrics: {} is in use by another process: choose another port, or 0 for a free one",
        where);
  }
  try {
    server->impl_->exposer = std::make_unique<prometheus::Exposer>(where, 2);
    const std::vector<int> ports = server->impl_->exposer->GetListeningPorts();
    if (ports.empty()) return Unavailable("metrics: cannot listen on {}", where);
    server->address_ = fmt::format("{}:{}", host, ports.front());
    server->impl_->collector = registry.impl_->collector;
    server->impl_->exposer->RegisterCollectable(server->impl_->collector, "/metrics");
  } catch (const std::exception& e) {
    return Unavailable("metrics: cannot listen on {}: {}; is the address one of this machine?",
                       where, e.what());
  }
  return server;
}

}  // namespace conclave
