// conclave.v1.Decode, to and from what this worker computes with.
#pragma once

#include "common/base/status.h"
#include "common/model/model_config.h"
#include "proto/conclave/v1/decode.pb.h"
#include "services/decode/sequence.h"

namespace conclave {

// Validates everything; InvalidArgument names the field, its value and what is allowed. max_tokens
// is clamped so that prompt and answer fit into the context.
absl::StatusOr<SequenceSpec> SpecFromProto(const v1::DecodeRequest& request,
                                           const ModelConfig& config, SteadyTime deadline);

v1::DecodeResponse ResponseToProto(const SampledToken& token, SequenceEnd end);

}  // namespace conclave
