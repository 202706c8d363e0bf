// `conclave serve`: every role in one process, over in-process transports.
#pragma once

#include <string>
#include <vector>

namespace conclave {

// Runs until SIGINT or SIGTERM; returns the exit status.
int RunServe(const std::vector<std::string>& args);

}  // namespace conclave
