#include "services/prefill/convert.h"

#include "common/client/workers/convert.h"

namespace conclave {

absl::StatusOr<PrefillJob> JobFromProto(const v1::PrefillRequest& request,
                                        const ModelConfig& config, int64_t token_bytes) {
  PrefillJob job{.request_id = request.request_id()};
  job.prompt_ids.assign(request.prompt_ids().begin(), request.prompt_ids().end());
  RETURN_IF_ERROR(CheckPrompt(job.prompt_ids, config.vocab_size, config.max_position_embeddings));
  ASSIGN_OR_RETURN(job.sampling, SamplingFromProto(request.sampling()));
  job.ticket = TicketFromProto(request.ticket());
  if (job.ticket.session == 0 || job.ticket.owner == 0) {
    return InvalidArgument("the ticket names session {} of owner {}: neither may be 0",
                           job.ticket.session, job.ticket.owner);
  }
  if (job.ticket.prompt_tokens != job.prompt_ids.size()) {
    return InvalidArgument("the ticket is for {} prompt tokens, prompt_ids has {}",
                           job.ticket.prompt_tokens, job.prompt_ids.size());
  }
  if (job.ticket.layers != static_cast<uint32_t>(config.num_layers) ||
      static_cast<int64_t>(job.ticket.token_bytes) != token_bytes) {
    return InvalidArgument(
        "the ticket is for {} layers of {} bytes a token, this worker computes {} layers of {}",
        job.ticket.layers, job.ticket.token_bytes, config.num_layers, token_bytes);
  }
  return job;
}

void ResultToProto(const PrefillResult& result, v1::PrefillResponse* response) {
  TokenToProto(result.first_token, response->mutable_first_token());
  ManifestToProto(result.manifest, response->mutable_manifest());
}

}  // namespace conclave
