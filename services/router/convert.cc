#include "services/router/convert.h"

#include "services/router/request_error.h"

namespace conclave {

absl::StatusOr<GenerationRequest> FromProto(const v1::GenerateRequest& request) {
  GenerationRequest out;
  out.model = request.model();
  switch (request.input_case()) {
    case v1::GenerateRequest::kChat: {
      std::vector<ChatMessage> messages;
      for (const v1::ChatMessage& message : request.chat().messages())
        messages.push_back({message.role(), message.content()});
      out.input = std::move(messages);
      break;
    }
    case v1::GenerateRequest::kPrompt:
      out.input = request.prompt();
      break;
    case v1::GenerateRequest::kPromptIds:
      out.input = std::vector<int32_t>(request.prompt_ids().ids().begin(),
                                       request.prompt_ids().ids().end());
      break;
    default:
      return InvalidArgument(
          "the request has no input: set one of 'chat', 'prompt' and 'prompt_ids'");
  }
  const v1::Sampling& sampling = request.sampling();
  if (sampling.has_max_tokens()) out.sampling.max_tokens = sampling.max_tokens();
  if (sampling.has_temperature()) out.sampling.temperature = sampling.temperature();
  if (sampling.has_top_p()) out.sampling.top_p = sampling.top_p();
  if (sampling.has_seed()) out.sampling.seed = sampling.seed();
  out.sampling.top_logprobs = sampling.top_logprobs();
  out.sampling.ignore_eos = sampling.ignore_eos();
  out.stop.assign(request.stop().begin(), request.stop().end());
  return out;
}

v1::GenerateResponse ToProto(const GenerationStart& start) {
  v1::GenerateResponse response;
  v1::Start& out = *response.mutable_start();
  out.set_id(start.id);
  out.set_model(start.model);
  out.set_seed(start.seed);
  out.set_prompt_tokens(static_cast<uint32_t>(start.prompt_tokens));
  out.set_created_s(start.created_s);
  return response;
}

v1::GenerateResponse ToProto(const GenerationDelta& delta, bool include_tokens) {
  v1::GenerateResponse response;
  v1::Delta& out = *response.mutable_delta();
  out.set_content(delta.content);
  out.set_reasoning(delta.reasoning);
  if (!include_tokens) return response;
  for (const GeneratedToken& token : delta.tokens) {
    v1::Token& item = *out.add_tokens();
    item.set_id(token.id);
    item.set_logprob(token.logprob);
    for (const TokenAlternative& top : token.top) {
      v1::Alternative& alternative = *item.add_top();
      alternative.set_id(top.id);
      alternative.set_logprob(top.logprob);
    }
  }
  return response;
}

v1::GenerateResponse ToProto(FinishReason reason, const GenerationUsage& usage) {
  v1::GenerateResponse response;
  v1::Finish& out = *response.mutable_finish();
  out.set_reason(reason == FinishReason::kStop ? v1::FINISH_REASON_STOP : v1::FINISH_REASON_LENGTH);
  out.mutable_usage()->set_prompt_tokens(static_cast<uint32_t>(usage.prompt_tokens));
  out.mutable_usage()->set_completion_tokens(static_cast<uint32_t>(usage.completion_tokens));
  out.mutable_usage()->set_reasoning_tokens(static_cast<uint32_t>(usage.reasoning_tokens));
  return response;
}

}  // namespace conclave
