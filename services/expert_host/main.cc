#include "services/expert_host/main.h"

#include "common/client/workers/run_worker.h"
#include "services/expert_host/server.h"

namespace conclave {

int RunExpertHost(const std::vector<std::string>& args) {
  ExpertHostConfig config;
  return RunWorker({.command = "expert-host",
                    .description = "Computes routed experts for all attention workers.",
                    .bind = [&](ConfigParser& parser) { BindExpertHostConfig(parser, &config); },
                    .config = &config.worker,
                    .start = [&](WorkerDeps deps) -> absl::StatusOr<std::shared_ptr<void>> {
                      ASSIGN_OR_RETURN(std::shared_ptr<ExpertHostServer> server,
                                       ExpertHostServer::Start(config, std::move(deps)));
                      return std::static_pointer_cast<void>(server);
                    }},
                   args);
}

}  // namespace conclave
