#include "common/rpc/server.h"

#include <grpcpp/create_channel_posix.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_posix.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>

#include "common/rpc/channel_arguments.h"
#include "common/rpc/in_process.h"

namespace conclave {
namespace {

void InstallPlugins() {
  static std::once_flag once;
  std::call_once(once, [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  });
}

// gRPC only says that it could not listen; a bind of our own says why. OK when the address can be
// had.
absl::Status TryBind(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string service = fmt::format("{}", port);
  if (const int rc = getaddrinfo(host.c_str(), service.c_str(), &hints, &found); rc != 0) {
    return InvalidArgument("cannot resolve the host '{}' to listen on: {}", host, gai_strerror(rc));
  }
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int error = fd < 0 ? errno : 0;
  if (fd >= 0) {
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, found->ai_addr, found->ai_addrlen) != 0) error = errno;
    close(fd);
  }
  freeaddrinfo(found);
  if (error == EADDRINUSE) {
    return AlreadyExists(
        "{}:{} is in use by another process: choose another port, or 0 for a free one", host, port);
  }
  if (error != 0)
    return Unavailable("cannot listen on {}:{}: {}", host, port, std::strerror(error));
  return absl::OkStatus();
}

void Configure(grpc::ServerBuilder& builder, const RpcServerOptions& options) {
  builder.SetMaxReceiveMessageSize(static_cast<int>(options.max_message_bytes));
  builder.SetMaxSendMessageSize(static_cast<int>(options.max_message_bytes));
  if (options.in_process != nullptr) return;  // no port, and nobody there who could freeze alone
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT,
                             0);  // else two processes could share one port
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 5000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 2000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kShortestPingIntervalMs);
}

// A channel into `server` over a socket pair. (gRPC's own in-process channel crashes when it is
// called after its server ended.)
absl::StatusOr<std::shared_ptr<grpc::Channel>> ConnectInProcess(grpc::Server* server,
                                                                const std::string& name) {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0) {
    return Unavailable("cannot make a socket pair for the in-process server {}: {}", name,
                       std::strerror(errno));
  }
  grpc::AddInsecureChannelFromFd(server, fds[0]);
  return grpc::CreateCustomInsecureChannelFromFd(name, fds[1], InProcessArguments());
}

}  // namespace

struct RpcServer::Impl {
  std::unique_ptr<grpc::Server> server;
  std::shared_ptr<InProcessNetwork::Impl> network;  // null: TCP
  std::string name;
  std::once_flag shut;
};

RpcServer::RpcServer() : impl_(std::make_unique<Impl>()) {}

RpcServer::~RpcServer() { Shutdown(std::chrono::milliseconds(0)); }

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(
    const RpcServerOptions& options, const std::vector<grpc::Service*>& services) {
  if (options.max_message_bytes < 1 || options.max_message_bytes > INT32_MAX) {
    return InvalidArgument("max_message_bytes is {}, must be within 1..{}",
                           options.max_message_bytes, INT32_MAX);
  }
  InstallPlugins();
  grpc::ServerBuilder builder;
  Configure(builder, options);
  for (grpc::Service* service : services) builder.RegisterService(service);
  std::unique_ptr<RpcServer> result(new RpcServer);
  if (options.in_process == nullptr) {
    RETURN_IF_ERROR(TryBind(options.host, options.port));
    int port = 0;
    builder.AddListeningPort(fmt::format("{}:{}", options.host, options.port),
                             grpc::InsecureServerCredentials(), &port);
    result->impl_->server = builder.BuildAndStart();
    if (result->impl_->server == nullptr || port == 0) {
      RETURN_IF_ERROR(TryBind(options.host, options.port));
      return Unavailable("cannot listen on {}:{}", options.host, options.port);
    }
    result->address_ = fmt::format("{}:{}", options.host, port);
  } else {
    result->impl_->server = builder.BuildAndStart();
    if (result->impl_->server == nullptr)
      return Internal("cannot start the in-process server {}", options.name);
    ASSIGN_OR_RETURN(auto channel, ConnectInProcess(result->impl_->server.get(), options.name));
    if (!options.in_process->impl_->Add(options.name, std::move(channel))) {
      return AlreadyExists("an in-process server named '{}' is running already", options.name);
    }
    result->impl_->network = options.in_process->impl_;
    result->impl_->name = options.name;
    result->address_ = options.name;
  }
  result->SetServing(false);
  return result;
}

void RpcServer::SetServing(bool serving) {
  if (auto* health = impl_->server->GetHealthCheckService()) health->SetServingStatus(serving);
}

void RpcServer::Shutdown(std::chrono::milliseconds grace) {
  if (impl_->server == nullptr) return;  // Start failed half-way
  std::call_once(impl_->shut, [&] {
    if (impl_->network != nullptr) impl_->network->Remove(impl_->name);
    if (auto* health = impl_->server->GetHealthCheckService()) health->Shutdown();
    impl_->server->Shutdown(std::chrono::system_clock::now() + grace);
  });
}

}  // namespace conclave
