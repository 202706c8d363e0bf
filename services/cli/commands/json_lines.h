// Line-wise JSON filters: one object per input line, one object per output line.
#pragma once

#include <functional>
#include <istream>
#include <nlohmann/json.hpp>
#include <ostream>

#include "common/base/status.h"

namespace conclave {

// Answers every line of `in` with one line on `out`: what `answer` made of its object, or {"error":
// text} naming the line, so that inputs and outputs stay aligned. Each answer is flushed. Returns
// the exit status: 0, or 1 when a line failed or `out` did.
int FilterJsonLines(
    std::istream& in, std::ostream& out,
    const std::function<absl::StatusOr<nlohmann::json>(const nlohmann::json&)>& answer);

}  // namespace conclave
