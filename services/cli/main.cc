#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "services/cli/commands.h"

namespace {

void PrintUsage(FILE* out) {
  std::fputs(
      "conclave: a serving cluster for DeepSeek-style mixture-of-experts models\n\n"
      "usage: conclave COMMAND [flags]     conclave COMMAND --help\n\n",
      out);
  for (const conclave::Command& command : conclave::Commands()) {
    std::fprintf(out, "  %-14s %s\n", command.name, command.help);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string name = argc > 1 ? argv[1] : "";
  if (name == "--help" || name == "-h" || name == "help") {
    PrintUsage(stdout);
    return 0;
  }
  for (const conclave::Command& command : conclave::Commands()) {
    if (name == command.name) return command.run(std::vector<std::string>(argv + 2, argv + argc));
  }
  if (name.empty()) {
    std::fputs("conclave: no command given\n\n", stderr);
  } else {
    std::fprintf(stderr, "conclave: there is no command '%s'\n\n", name.c_str());
  }
  PrintUsage(stderr);
  return 2;
}
