// `conclave bench engine`: the engine's speed on a checkpoint, or on random weights of a realistic
// shape, against the machine's limits.
#pragma once

#include <iosfwd>
#include <string>

namespace conclave {

struct BenchEngineOptions {
  std::string dir;    // a checkpoint folder, or
  std::string shape;  // the name of a shape
  std::string mode = "bf16";
  int threads = 1;
  std::string contexts = "0,4096";  // cached tokens before decoding at batch 1
  std::string batches = "32";       // further batch sizes
  int prefill_tokens = 512;
  double seconds = 3;  // per measurement
  bool json = false;
  std::string plot;  // file of the roofline plot (SVG); empty: none
};

// Exit status: 0, or 2 when it could not be measured.
int RunBenchEngine(const BenchEngineOptions& options, std::ostream& out, std::ostream& err);

}  // namespace conclave
