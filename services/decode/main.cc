#include "services/decode/main.h"

#include "common/client/workers/run_worker.h"
#include "services/decode/server.h"

namespace conclave {

int RunDecode(const std::vector<std::string>& args) {
  DecodeConfig config;
  return RunWorker({.command = "decode",
                    .description = "Generates tokens of many sequences at once.",
                    .bind = [&](ConfigParser& parser) { BindDecodeConfig(parser, &config); },
                    .config = &config.worker,
                    .start = [&](WorkerDeps deps) -> absl::StatusOr<std::shared_ptr<void>> {
                      ASSIGN_OR_RETURN(std::shared_ptr<DecodeServer> server,
                                       DecodeServer::Start(config, std::move(deps)));
                      return std::static_pointer_cast<void>(server);
                    }},
                   args);
}

}  // namespace conclave
