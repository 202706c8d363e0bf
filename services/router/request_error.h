// What a refused request is told beside a status: which parameter, and a code for programs. Travels
// as payloads of absl::Status, so that functions need no second error type.
#pragma once

#include <string>

#include "common/base/status.h"

namespace conclave {

// `param`: name in the API, "temperature"; `code`: "model_not_found", may be empty.
absl::Status WithParam(absl::Status status, const std::string& param, const std::string& code = "");
// Empty when there is none.
std::string ErrorParam(const absl::Status& status);
std::string ErrorCode(const absl::Status& status);

// 400, 404, 429, 499 (the client left), 500, 501, 503, 504.
int HttpStatusOf(const absl::Status& status);

}  // namespace conclave
