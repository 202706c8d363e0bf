// `conclave bench`: the engine's speed on one checkpoint against the machine's limits.
#pragma once

#include <iosfwd>
#include <string>

namespace conclave {

struct BenchEngineOptions {
  std::string dir;  // a checkpoint folder
  std::string mode = "bf16";
  int threads = 1;
  int context_tokens = 256;
  double seconds = 2;  // per measurement
  bool json = false;
};

// Exit status: 0, or 2 when it could not be measured.
int RunBenchEngine(const BenchEngineOptions& options, std::ostream& out, std::ostream& err);

}  // namespace conclave
