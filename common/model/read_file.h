// Reads a small file whole. Internal to this module.
#pragma once

#include <string>

#include "common/base/status.h"

namespace conclave {

// NotFound when there is no such file, InvalidArgument when it is larger than `max_bytes`, Internal
// when reading fails. Errors name the path.
absl::StatusOr<std::string> ReadFile(const std::string& path, int64_t max_bytes);

}  // namespace conclave
