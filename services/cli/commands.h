// The commands of the `conclave` binary: one row each.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace conclave {

struct Command {
  const char* name;
  const char* help;
  int (*run)(const std::vector<std::string>& args);  // returns the exit status
};

std::span<const Command> Commands();

}  // namespace conclave
