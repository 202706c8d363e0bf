// OpenAI-shaped errors: {"error": {"message", "type", "param", "code"}}.
#pragma once

#include <string>

#include "common/base/status.h"
#include "services/router/http/http_message.h"

namespace conclave {

// The JSON text alone, as it also stands in an SSE event.
std::string ErrorJson(const absl::Status& status);
// For what the HTTP layer refuses itself.
std::string ErrorJson(int http_status, const std::string& message);
// With the right status, and Retry-After where trying again makes sense.
HttpResponse ErrorResponse(const absl::Status& status);

}  // namespace conclave
