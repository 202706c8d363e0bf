#include "services/prefill/main.h"

#include "common/client/workers/run_worker.h"
#include "services/prefill/server.h"

namespace conclave {

int RunPrefill(const std::vector<std::string>& args) {
  PrefillConfig config;
  return RunWorker({.command = "prefill",
                    .description = "Computes prompts and hands their KV to decode workers.",
                    .bind = [&](ConfigParser& parser) { BindPrefillConfig(parser, &config); },
                    .config = &config.worker,
                    .start = [&](WorkerDeps deps) -> absl::StatusOr<std::shared_ptr<void>> {
                      ASSIGN_OR_RETURN(std::shared_ptr<PrefillServer> server,
                                       PrefillServer::Start(config, std::move(deps)));
                      return std::static_pointer_cast<void>(server);
                    }},
                   args);
}

}  // namespace conclave
