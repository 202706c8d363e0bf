// absl::Status and grpc::Status, whose codes agree number by number.
#pragma once

#include <grpcpp/support/status.h>

#include "common/base/status.h"

namespace conclave {

grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace conclave
