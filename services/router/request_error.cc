#include "services/router/request_error.h"

#include "absl/strings/cord.h"

namespace conclave {
namespace {

constexpr char kParam[] = "conclave/param";
constexpr char kCode[] = "conclave/code";

void Set(absl::Status& status, const char* key, const std::string& value) {
  if (!value.empty())
    status.SetPayload(key, absl::Cord(absl::string_view(value.data(), value.size())));
}

std::string Get(const absl::Status& status, const char* key) {
  const auto payload = status.GetPayload(key);
  return payload.has_value() ? std::string(*payload) : "";
}

}  // namespace

absl::Status WithParam(absl::Status status, const std::string& param, const std::string& code) {
  Set(status, kParam, param);
  Set(status, kCode, code);
  return status;
}

std::string ErrorParam(const absl::Status& status) { return Get(status, kParam); }
std::string ErrorCode(const absl::Status& status) { return Get(status, kCode); }

int HttpStatusOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 200;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return 400;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kCancelled:
      return 499;
    case absl::StatusCode::kUnimplemented:
      return 501;
    case absl::StatusCode::kUnavailable:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

}  // namespace conclave
