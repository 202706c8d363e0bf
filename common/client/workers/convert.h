// Domain values that several services exchange, to and from protobuf.
#pragma once

#include <vector>

#include "common/base/status.h"
#include "common/engine/sampler.h"
#include "common/kv_transfer/receiver.h"
#include "proto/conclave/v1/decode.pb.h"
#include "proto/conclave/v1/prefill.pb.h"

namespace conclave {

// InvalidArgument naming the parameter when one is out of range.
absl::StatusOr<SamplingParams> SamplingFromProto(const v1::SamplingSpec& spec);
v1::SamplingSpec SamplingToProto(const SamplingParams& params);

SampledToken TokenFromProto(const v1::Token& token);
void TokenToProto(const SampledToken& token, v1::Token* proto);

HandoffTicket TicketFromProto(const v1::LandingTicket& proto);
v1::LandingTicket TicketToProto(const HandoffTicket& ticket);
HandoffManifest ManifestFromProto(const v1::HandoffManifest& proto);
void ManifestToProto(const HandoffManifest& manifest, v1::HandoffManifest* proto);

// 1 .. max_context - 1 ids, every one within [0, vocab); InvalidArgument says which is not.
absl::Status CheckPrompt(const std::vector<TokenId>& prompt, int vocab, int max_context);

}  // namespace conclave
