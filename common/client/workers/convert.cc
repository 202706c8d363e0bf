#include "common/client/workers/convert.h"

#include <algorithm>

namespace conclave {

absl::StatusOr<SamplingParams> SamplingFromProto(const v1::SamplingSpec& spec) {
  SamplingParams params;
  params.temperature = spec.temperature();
  params.top_p = spec.top_p();
  params.seed = spec.seed();
  params.choice = spec.choice();
  params.top_logprobs = static_cast<int>(std::min<uint32_t>(spec.top_logprobs(), 1u << 30));
  RETURN_IF_ERROR(ValidateSampling(params));
  return params;
}

v1::SamplingSpec SamplingToProto(const SamplingParams& params) {
  v1::SamplingSpec spec;
  spec.set_temperature(params.temperature);
  spec.set_top_p(params.top_p);
  spec.set_seed(params.seed);
  spec.set_choice(params.choice);
  spec.set_top_logprobs(static_cast<uint32_t>(params.top_logprobs));
  return spec;
}

SampledToken TokenFromProto(const v1::Token& proto) {
  SampledToken token;
  token.id = proto.id();
  token.logprob = proto.logprob();
  for (const v1::Alternative& other : proto.top())
    token.top.emplace_back(other.id(), other.logprob());
  return token;
}

void TokenToProto(const SampledToken& token, v1::Token* proto) {
  proto->set_id(token.id);
  proto->set_logprob(token.logprob);
  for (const auto& [id, logprob] : token.top) {
    v1::Alternative* other = proto->add_top();
    other->set_id(id);
    other->set_logprob(logprob);
  }
}

HandoffTicket TicketFromProto(const v1::LandingTicket& proto) {
  return {.session = proto.session(),
          .generation = proto.generation(),
          .owner = proto.owner(),
          .prompt_tokens = proto.prompt_tokens(),
          .layers = proto.layers(),
          .token_bytes = proto.token_bytes()};
}

v1::LandingTicket TicketToProto(const HandoffTicket& ticket) {
  v1::LandingTicket proto;
  proto.set_session(ticket.session);
  proto.set_generation(ticket.generation);
  proto.set_owner(ticket.owner);
  proto.set_prompt_tokens(ticket.prompt_tokens);
  proto.set_layers(ticket.layers);
  proto.set_token_bytes(ticket.token_bytes);
  return proto;
}

HandoffManifest ManifestFromProto(const v1::HandoffManifest& proto) {
  HandoffManifest manifest{
      .session = proto.session(), .generation = proto.generation(), .source = proto.source()};
  manifest.extents.reserve(proto.extents_size());
  for (const v1::HandoffExtent& extent : proto.extents()) {
    manifest.extents.push_back({.layer = extent.layer(),
                                .block = extent.block(),
                                .bytes = extent.bytes(),
                                .digest = extent.digest()});
  }
  return manifest;
}

void ManifestToProto(const HandoffManifest& manifest, v1::HandoffManifest* proto) {
  proto->set_session(manifest.session);
  proto->set_generation(manifest.generation);
  proto->set_source(manifest.source);
  for (const HandoffExtent& extent : manifest.extents) {
    v1::HandoffExtent* added = proto->add_extents();
    added->set_layer(extent.layer);
    added->set_block(extent.block);
    added->set_bytes(extent.bytes);
    added->set_digest(extent.digest);
  }
}

absl::Status CheckPrompt(const std::vector<TokenId>& prompt, int vocab, int max_context) {
  if (prompt.empty())
    return InvalidArgument("prompt_ids is empty: at least the BOS token is needed");
  if (prompt.size() + 1 > static_cast<size_t>(max_context)) {
    return InvalidArgument(
        "the prompt has {} tokens and leaves no room for an answer: the context length is {} "
        "tokens",
        prompt.size(), max_context);
  }
  for (size_t i = 0; i < prompt.size(); ++i) {
    if (prompt[i] < 0 || prompt[i] >= vocab) {
      return InvalidArgument("prompt_ids[{}] is {}, outside the vocabulary [0, {})", i, prompt[i],
                             vocab);
    }
  }
  return absl::OkStatus();
}

}  // namespace conclave
