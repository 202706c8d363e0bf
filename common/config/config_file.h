// The YAML side of the configuration; included by this folder's .cc files only.
#pragma once

#include <string>
#include <vector>

#include "common/config/setting.h"

namespace conclave {

// Applies every key of the file except those named in `given` (flags win). InvalidArgument names
// the file, the line, the key and what is allowed; NotFound when the file cannot be read. Names of
// the applied keys are appended to `applied`.
absl::Status ApplyConfigFile(const std::string& path, const std::vector<Setting>& settings,
                             const std::vector<std::string>& given,
                             std::vector<std::string>* applied);

// YAML of all values, in the order of `settings`.
std::string EmitYaml(const std::vector<Setting>& settings);

}  // namespace conclave
