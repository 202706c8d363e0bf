#include "common/rpc/status_convert.h"

namespace conclave {

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return grpc::Status(static_cast<grpc::StatusCode>(status.raw_code()), Message(status));
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  int code = status.error_code();
  if (code < 0 || code > 16) code = grpc::StatusCode::UNKNOWN;
  return MakeStatus(static_cast<absl::StatusCode>(code), "{}", status.error_message());
}

}  // namespace conclave
