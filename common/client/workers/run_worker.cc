#include "common/client/workers/run_worker.h"

#include <cstdio>

#include "common/base/log.h"
#include "common/cluster/etcd/etcd_store.h"
#include "common/concurrency/stop_signal.h"
#include "common/transport/backends/ucx/ucx_transport.h"

namespace conclave {
namespace {

constexpr std::chrono::milliseconds kEtcdTimeout{10000};

absl::Status Serve(const WorkerProgram& program) {
  const WorkerConfig& config = *program.config;
  ASSIGN_OR_RETURN(const std::unique_ptr<Store> store,
                   ConnectEtcd(config.etcd, After(kEtcdTimeout)));
  const std::unique_ptr<ChannelProvider> channels = MakeNetworkChannels();
  WorkerDeps deps;
  deps.store = store.get();
  deps.channels = channels.get();
  ASSIGN_OR_RETURN(deps.transport, MakeUcxTransport({.tls = config.ucx_tls,
                                                     .device = config.ucx_device,
                                                     .spin_us = config.ucx_spin_us}));
  ASSIGN_OR_RETURN(std::shared_ptr<void> server, program.start(std::move(deps)));
  const int signal = WaitForStopSignal();
  LogInfo("stopping", {{"signal", signal}});
  server.reset();
  LogInfo("stopped");
  return absl::OkStatus();
}

}  // namespace

int RunWorker(const WorkerProgram& program, const std::vector<std::string>& args) {
  ConfigParser parser(program.command, program.description);
  program.bind(parser);
  bool exit_now = false;
  absl::Status status = parser.Parse(args, &exit_now);
  if (!status.ok()) {
    std::fprintf(stderr, "conclave %s: %s\n", program.command.c_str(), Message(status).c_str());
    return 2;
  }
  if (exit_now) return 0;
  LogLevel level = LogLevel::kInfo;
  ParseLogLevel(program.config->log_level, &level);
  SetLogLevel(level);
  SetLogRole(program.command);
  BlockStopSignals();
  status = Serve(program);
  if (status.ok()) return 0;
  LogError("cannot run", {{"why", Message(status)}});
  std::fprintf(stderr, "conclave %s: %s\n", program.command.c_str(), Message(status).c_str());
  return 1;
}

}  // namespace conclave
