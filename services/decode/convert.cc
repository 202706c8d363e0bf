#include "services/decode/convert.h"

#include <algorithm>

#include "common/client/workers/convert.h"

namespace conclave {

absl::StatusOr<SequenceSpec> SpecFromProto(const v1::DecodeRequest& request,
                                           const ModelConfig& config, SteadyTime deadline) {
  SequenceSpec spec;
  spec.request_id = request.request_id().empty() ? RandomName("seq-") : request.request_id();
  spec.prompt.assign(request.prompt_ids().begin(), request.prompt_ids().end());
  RETURN_IF_ERROR(CheckPrompt(spec.prompt, config.vocab_size, config.max_position_embeddings));
  ASSIGN_OR_RETURN(spec.sampling, SamplingFromProto(request.sampling()));
  if (request.max_tokens() == 0)
    return InvalidArgument("max_tokens is 0: at least 1 token must be generated");
  const uint32_t room = static_cast<uint32_t>(config.max_position_embeddings) -
                        static_cast<uint32_t>(spec.prompt.size());
  spec.max_tokens = static_cast<int>(std::min(request.max_tokens(), room));
  spec.ignore_eos = request.ignore_eos();
  spec.prefill_addresses.assign(request.prefill_addresses().begin(),
                                request.prefill_addresses().end());
  if (spec.prefill_addresses.empty()) {
    return InvalidArgument("prefill_addresses is empty: name at least one prefill worker");
  }
  spec.deadline = deadline;
  return spec;
}

v1::DecodeResponse ResponseToProto(const SampledToken& token, SequenceEnd end) {
  v1::DecodeResponse response;
  TokenToProto(token, response.add_tokens());
  if (end == SequenceEnd::kStop) response.set_finish(v1::FINISH_REASON_STOP);
  if (end == SequenceEnd::kLength) response.set_finish(v1::FINISH_REASON_LENGTH);
  return response;
}

}  // namespace conclave
