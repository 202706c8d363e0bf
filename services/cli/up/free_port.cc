#include "services/cli/up/free_port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace conclave {
namespace {

// Binds and closes; returns the port bound to.
absl::StatusOr<int> TryBind(const std::string& host, int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) {
    return InvalidArgument("{} is not an IPv4 address", host);
  }
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return ResourceExhausted("socket: {}", std::strerror(errno));
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on,
             sizeof(on));  // a server of ours just gone is no obstacle
  socklen_t length = sizeof(address);
  const bool bound = bind(fd, reinterpret_cast<sockaddr*>(&address), length) == 0;
  const int error = errno;
  if (bound) getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  close(fd);
  if (!bound) return AlreadyExists("{}:{}: {}", host, port, std::strerror(error));
  return ntohs(address.sin_port);
}

}  // namespace

absl::StatusOr<int> FreePort(const std::string& host) { return TryBind(host, 0); }

absl::Status CheckPortFree(const std::string& host, int port) {
  if (port == 0) return absl::OkStatus();
  return TryBind(host, port).status();
}

}  // namespace conclave
