#include "services/router/main.h"

#include <cstdio>

#include "common/base/log.h"
#include "common/cluster/etcd/etcd_store.h"
#include "common/concurrency/stop_signal.h"
#include "services/router/server.h"

namespace conclave {
namespace {

constexpr std::chrono::seconds kConnectTimeout{10};

int Failed(const absl::Status& status, int exit_status) {
  std::fprintf(stderr, "conclave router: %s\n", Message(status).c_str());
  return exit_status;
}

}  // namespace

int RunRouter(const std::vector<std::string>& args) {
  RouterConfig config;
  ConfigParser parser("conclave router",
                      "The front doors of a cluster: OpenAI-shaped HTTP and gRPC.");
  BindRouterConfig(parser, &config);
  bool exit_now = false;
  if (absl::Status status = parser.Parse(args, &exit_now); !status.ok()) return Failed(status, 2);
  if (exit_now) return 0;
  SetLogRole("router");
  LogLevel level = LogLevel::kInfo;
  if (ParseLogLevel(config.log_level, &level)) SetLogLevel(level);
  BlockStopSignals();

  absl::StatusOr<std::unique_ptr<Store>> store = ConnectEtcd(config.etcd, After(kConnectTimeout));
  if (!store.ok()) return Failed(store.status(), 1);
  const std::unique_ptr<ChannelProvider> channels = MakeNetworkChannels();
  RouterDeps deps;
  deps.store = store->get();
  deps.channels = channels.get();
  absl::StatusOr<std::unique_ptr<RouterServer>> server = RouterServer::Start(config, deps);
  if (!server.ok()) return Failed(server.status(), 1);
  LogInfo("stopping", {{"signal", WaitForStopSignal()}});
  (*server)->Stop();
  return 0;
}

}  // namespace conclave
