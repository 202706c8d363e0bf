// One struct per process: every setting is a flag (--name), may come from a YAML file (--config
// FILE, same names) and can be printed (--print-config). Flags win over the file, the file over
// defaults.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/status.h"

namespace conclave {

// Bind fields, then Parse. Pointers must outlive Parse. Not thread-safe.
class ConfigParser {
 public:
  ConfigParser(const std::string& command, const std::string& description);
  ~ConfigParser();

  void Add(const std::string& name, std::string* value, const std::string& help,
           bool required = false);
  void Add(const std::string& name, int* value, const std::string& help, int min, int max);
  void Add(const std::string& name, int64_t* value, const std::string& help, int64_t min,
           int64_t max);
  void Add(const std::string& name, double* value, const std::string& help, double min, double max);
  void Add(const std::string& name, bool* value, const std::string& help);
  // One of `choices`.
  void AddChoice(const std::string& name, std::string* value, const std::string& help,
                 const std::vector<std::string>& choices);
  // A positional argument.
  void AddPositional(const std::string& name, std::string* value, const std::string& help,
                     bool required);

  // `args` without the program's name. InvalidArgument names the flag or key, the value and what is
  // allowed; an unknown flag or key is an error too. When --help or --print-config was given, the
  // text is printed to stdout and `exit_now` is set.
  absl::Status Parse(const std::vector<std::string>& args, bool* exit_now);
  std::string Print() const;  // YAML of all effective values
  std::string Help() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace conclave
