// conclave.v1.Prefill, to and from what this worker computes with.
#pragma once

#include "common/base/status.h"
#include "common/client/workers/prefill_client.h"
#include "common/model/model_config.h"
#include "proto/conclave/v1/prefill.pb.h"

namespace conclave {

// Validates everything, the ticket's geometry against our own included: InvalidArgument names the
// field. `token_bytes`: of one token's KV in one layer.
absl::StatusOr<PrefillJob> JobFromProto(const v1::PrefillRequest& request,
                                        const ModelConfig& config, int64_t token_bytes);

void ResultToProto(const PrefillResult& result, v1::PrefillResponse* response);

}  // namespace conclave
