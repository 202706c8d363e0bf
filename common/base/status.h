// absl::Status is the error type everywhere outside kernels. Errors say what, where, the numbers
// and what to do. No exceptions cross a module border.
//
// Debian builds Abseil with its own string_view: absl::string_view is not std::string_view. The
// factories below take fmt format strings and hide the difference.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace conclave {

template <typename... A>
absl::Status MakeStatus(absl::StatusCode code, fmt::format_string<A...> f, A&&... args) {
  std::string text = fmt::format(f, std::forward<A>(args)...);
  return absl::Status(code, absl::string_view(text.data(), text.size()));
}

#define CONCLAVE_DEFINE_STATUS(Name, Code)                                  \
  template <typename... A>                                                  \
  absl::Status Name(fmt::format_string<A...> f, A&&... args) {              \
    return MakeStatus(absl::StatusCode::Code, f, std::forward<A>(args)...); \
  }
CONCLAVE_DEFINE_STATUS(InvalidArgument, kInvalidArgument)
CONCLAVE_DEFINE_STATUS(NotFound, kNotFound)
CONCLAVE_DEFINE_STATUS(AlreadyExists, kAlreadyExists)
CONCLAVE_DEFINE_STATUS(FailedPrecondition, kFailedPrecondition)
CONCLAVE_DEFINE_STATUS(ResourceExhausted, kResourceExhausted)
CONCLAVE_DEFINE_STATUS(OutOfRange, kOutOfRange)
CONCLAVE_DEFINE_STATUS(Unimplemented, kUnimplemented)
CONCLAVE_DEFINE_STATUS(Internal, kInternal)
CONCLAVE_DEFINE_STATUS(Unavailable, kUnavailable)
CONCLAVE_DEFINE_STATUS(DeadlineExceeded, kDeadlineExceeded)
CONCLAVE_DEFINE_STATUS(Cancelled, kCancelled)
CONCLAVE_DEFINE_STATUS(DataLoss, kDataLoss)
CONCLAVE_DEFINE_STATUS(Aborted, kAborted)
#undef CONCLAVE_DEFINE_STATUS

// The message as a std:: type.
inline std::string Message(const absl::Status& status) { return std::string(status.message()); }

// The same code with "context: " before the message. OK stays OK.
inline absl::Status Annotate(const absl::Status& status, const std::string& context) {
  if (status.ok()) return status;
  return MakeStatus(status.code(), "{}: {}", context, Message(status));
}

}  // namespace conclave

#define CONCLAVE_CONCAT_INNER(a, b) a##b
#define CONCLAVE_CONCAT(a, b) CONCLAVE_CONCAT_INNER(a, b)

#define RETURN_IF_ERROR(expr)                                                                    \
  do {                                                                                           \
    if (absl::Status conclave_status_ = (expr); !conclave_status_.ok()) return conclave_status_; \
  } while (false)

// ASSIGN_OR_RETURN(auto x, MaybeX());
#define ASSIGN_OR_RETURN(lhs, expr) \
  ASSIGN_OR_RETURN_IMPL(CONCLAVE_CONCAT(conclave_statusor_, __LINE__), lhs, expr)
#define ASSIGN_OR_RETURN_IMPL(tmp, lhs, expr) \
  auto tmp = (expr);                          \
  if (!tmp.ok()) return tmp.status();         \
  lhs = std::move(tmp).value()
