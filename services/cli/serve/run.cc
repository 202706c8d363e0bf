#include "services/cli/serve/run.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "common/base/log.h"
#include "common/concurrency/stop_signal.h"
#include "services/cli/serve/all_roles.h"

namespace conclave {

int RunServe(const std::vector<std::string>& args) {
  ServeConfig config;
  ConfigParser parser("serve", "Serves a model with every role in one process.");
  BindServeConfig(parser, config);
  bool exit_now = false;
  if (absl::Status status = parser.Parse(args, &exit_now); !status.ok()) {
    std::fprintf(stderr, "conclave serve: %s\n", Message(status).c_str());
    return 2;
  }
  if (exit_now) return 0;
  SetLogRole("serve");
  LogLevel level = LogLevel::kInfo;
  ParseLogLevel(config.log_level, &level);
  SetLogLevel(level);
  BlockStopSignals();

  absl::StatusOr<std::unique_ptr<AllRoles>> roles = AllRoles::Start(config);
  if (!roles.ok()) {
    std::fprintf(stderr, "conclave serve: %s\n", Message(roles.status()).c_str());
    return 1;
  }
  const RouterServer& router = (*roles)->router();
  std::fprintf(
      stderr,
      "conclave serve is ready\n  OpenAI API   http://%s/v1/chat/completions\n  gRPC         %s\n",
      router.http_address().c_str(), router.grpc_address().c_str());
  if (!config.ready_file.empty()) {
    const nlohmann::json json = {
        {"http", router.http_address()}, {"grpc", router.grpc_address()}, {"pid", getpid()}};
    const std::string partial = config.ready_file + ".partial";
    std::ofstream(partial) << json.dump(2) << "\n";
    rename(partial.c_str(), config.ready_file.c_str());
  }
  WaitForStopSignal();
  return 0;
}

}  // namespace conclave
