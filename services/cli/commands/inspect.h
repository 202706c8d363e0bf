// `conclave inspect DIR`: what a checkpoint folder holds, and what is wrong with it.
#pragma once

#include <iosfwd>
#include <string>

namespace conclave {

struct InspectOptions {
  std::string dir;   // config.json, tensors, and the tokenizer's files where there are some
  int hosts = 0;     // expert hosts to divide the routed experts by; 0: a table of several numbers
  bool all = false;  // every problem by name instead of groups with counts
  bool json = false;
};

// Reads headers only. Exit status: 0 when the checkpoint is complete, 1 when something is missing,
// extra, misshapen or unreadable.
int RunInspect(const InspectOptions& options, std::ostream& out, std::ostream& err);

}  // namespace conclave
