// `conclave prefill`: one prefill process.
#pragma once

#include <string>
#include <vector>

namespace conclave {

// Runs until SIGINT or SIGTERM, drains, returns the exit status: 0, or 1 after printing what went
// wrong. `args` without the program's and the subcommand's name.
int RunPrefill(const std::vector<std::string>& args);

}  // namespace conclave
