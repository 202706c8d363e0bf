// Unicode normalisation form C. Internal to this module.
#pragma once

#include <string>
#include <string_view>

#include "common/base/status.h"

namespace conclave {

// `text` in normalisation form C. REQUIRES: well-formed UTF-8; anything else is InvalidArgument.
absl::StatusOr<std::string> NormalizeNfc(std::string_view text);

}  // namespace conclave
