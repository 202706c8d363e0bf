// The life of a worker process: settings, the real dependencies, a server until a signal comes.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/client/workers/worker_config.h"
#include "common/client/workers/worker_deps.h"
#include "common/config/config.h"

namespace conclave {

struct WorkerProgram {
  std::string command;      // "prefill"
  std::string description;  // one line for --help
  std::function<void(ConfigParser&)> bind;
  WorkerConfig* config = nullptr;  // filled by `bind`'s settings
  // Starts the server; what it returns is destroyed, hence stopped, after the signal.
  std::function<absl::StatusOr<std::shared_ptr<void>>(WorkerDeps)> start;
};

// Returns the exit status: 0, 1 after printing what went wrong, 2 for wrong settings. Blocks SIGINT
// and SIGTERM before any thread starts.
int RunWorker(const WorkerProgram& program, const std::vector<std::string>& args);

}  // namespace conclave
