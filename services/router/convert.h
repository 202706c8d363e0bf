// conclave.v1.Inference and the router's own types.
#pragma once

#include "common/base/status.h"
#include "proto/conclave/v1/inference.pb.h"
#include "services/router/request.h"

namespace conclave {

// Deadline not set. InvalidArgument without an input.
absl::StatusOr<GenerationRequest> FromProto(const v1::GenerateRequest& request);

v1::GenerateResponse ToProto(const GenerationStart& start);
// Token ids and logprobs only with `include_tokens`.
v1::GenerateResponse ToProto(const GenerationDelta& delta, bool include_tokens);
v1::GenerateResponse ToProto(FinishReason reason, const GenerationUsage& usage);

}  // namespace conclave
