#include "services/router/http/error_body.h"

#include <nlohmann/json.hpp>

#include "services/router/request_error.h"

namespace conclave {
namespace {

using json = nlohmann::ordered_json;

const char* TypeOf(int http_status) {
  switch (http_status) {
    case 429:
      return "rate_limit_error";
    case 503:
      return "service_unavailable_error";
    case 504:
      return "timeout_error";
    default:
      return http_status >= 400 && http_status < 500 ? "invalid_request_error" : "server_error";
  }
}

const char* DefaultCode(int http_status) {
  switch (http_status) {
    case 404:
      return "not_found";
    case 405:
      return "method_not_allowed";
    case 413:
      return "request_too_large";
    case 429:
      return "overloaded";
    case 503:
      return "unavailable";
    case 504:
      return "deadline_exceeded";
    default:
      return nullptr;
  }
}

std::string Render(int http_status, const std::string& message, const std::string& param,
                   const std::string& code) {
  json error = {
      {"message", message}, {"type", TypeOf(http_status)}, {"param", nullptr}, {"code", nullptr}};
  if (!param.empty()) error["param"] = param;
  if (!code.empty()) {
    error["code"] = code;
  } else if (const char* fallback = DefaultCode(http_status); fallback != nullptr) {
    error["code"] = fallback;
  }
  return json{{"error", std::move(error)}}.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

std::string ErrorJson(const absl::Status& status) {
  return Render(HttpStatusOf(status), Message(status), ErrorParam(status), ErrorCode(status));
}

std::string ErrorJson(int http_status, const std::string& message) {
  return Render(http_status, message, "", "");
}

HttpResponse ErrorResponse(const absl::Status& status) {
  HttpResponse response;
  response.status = HttpStatusOf(status);
  response.body = ErrorJson(status);
  if (response.status == 429 || response.status == 503)
    response.headers.emplace_back("Retry-After", "1");
  return response;
}

}  // namespace conclave
