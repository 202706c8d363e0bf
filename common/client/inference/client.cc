#include "common/client/inference/client.h"

#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>

#include "common/client/inference/channel_client.h"
#include "common/rpc/status_convert.h"
#include "proto/conclave/v1/inference.grpc.pb.h"

namespace conclave {
namespace {

absl::StatusOr<v1::GenerateRequest> ToProto(const GenerateOptions& options) {
  const int inputs = (options.messages.empty() ? 0 : 1) + (options.prompt.has_value() ? 1 : 0) +
                     (options.prompt_ids.empty() ? 0 : 1);
  if (inputs != 1)
    return InvalidArgument("{} of messages, prompt and prompt_ids are set, but exactly one must be",
                           inputs);
  v1::GenerateRequest request;
  request.set_model(options.model);
  for (const ClientMessage& message : options.messages) {
    v1::ChatMessage& out = *request.mutable_chat()->add_messages();
    out.set_role(message.role);
    out.set_content(message.content);
  }
  if (options.prompt.has_value()) request.set_prompt(*options.prompt);
  if (!options.prompt_ids.empty()) {
    request.mutable_prompt_ids()->mutable_ids()->Add(options.prompt_ids.begin(),
                                                     options.prompt_ids.end());
  }
  v1::Sampling& sampling = *request.mutable_sampling();
  if (options.max_tokens.has_value()) sampling.set_max_tokens(*options.max_tokens);
  if (options.temperature.has_value())
    sampling.set_temperature(static_cast<float>(*options.temperature));
  if (options.top_p.has_value()) sampling.set_top_p(static_cast<float>(*options.top_p));
  if (options.seed.has_value()) sampling.set_seed(*options.seed);
  if (options.top_logprobs < 0)
    return InvalidArgument("top_logprobs is {}, but must be between 0 and 20",
                           options.top_logprobs);
  sampling.set_top_logprobs(static_cast<uint32_t>(options.top_logprobs));
  sampling.set_ignore_eos(options.ignore_eos);
  for (const std::string& stop : options.stop) request.add_stop(stop);
  request.set_include_token_ids(options.include_token_ids);
  return request;
}

TextDelta FromProto(const v1::Delta& delta) {
  TextDelta out{delta.content(), delta.reasoning(), {}};
  for (const v1::Token& token : delta.tokens()) {
    GeneratedToken item{token.id(), token.logprob(), {}};
    for (const v1::Alternative& top : token.top()) item.top.push_back({top.id(), top.logprob()});
    out.tokens.push_back(std::move(item));
  }
  return out;
}

void Append(const TextDelta& delta, GenerateResult* result) {
  result->content += delta.content;
  result->reasoning += delta.reasoning;
  result->tokens.insert(result->tokens.end(), delta.tokens.begin(), delta.tokens.end());
}

void SetFinish(const v1::Finish& finish, GenerateResult* result) {
  result->finish_reason = finish.reason() == v1::FINISH_REASON_LENGTH ? "length" : "stop";
  result->prompt_tokens = finish.usage().prompt_tokens();
  result->completion_tokens = finish.usage().completion_tokens();
  result->reasoning_tokens = finish.usage().reasoning_tokens();
}

class GrpcClient : public Client {
 public:
  explicit GrpcClient(std::shared_ptr<grpc::Channel> channel)
      : stub_(v1::Inference::NewStub(std::move(channel))) {}

  absl::StatusOr<GenerateResult> Generate(const GenerateOptions& options,
                                          const std::function<bool(const TextDelta&)>& on_delta,
                                          std::chrono::milliseconds timeout) override {
    ASSIGN_OR_RETURN(const v1::GenerateRequest request, ToProto(options));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + timeout);
    const auto reader = stub_->Generate(&context, request);
    GenerateResult result;
    v1::GenerateResponse event;
    bool stopped = false;
    while (!stopped && reader->Read(&event)) {
      if (event.has_start()) {
        result.id = event.start().id();
        result.model = event.start().model();
        result.seed = event.start().seed();
        result.prompt_tokens = event.start().prompt_tokens();
      } else if (event.has_delta()) {
        const TextDelta delta = FromProto(event.delta());
        Append(delta, &result);
        stopped = on_delta && !on_delta(delta);
      } else if (event.has_finish()) {
        SetFinish(event.finish(), &result);
      }
    }
    if (stopped) context.TryCancel();
    const absl::Status status = FromGrpc(reader->Finish());
    if (stopped)
      return Cancelled("the generation was stopped by its caller after {} bytes of text",
                       result.content.size());
    RETURN_IF_ERROR(status);
    if (result.finish_reason.empty())
      return DataLoss("the stream of {} ended without a finish", result.id);
    return result;
  }

  absl::StatusOr<std::vector<ServedModel>> ListModels(std::chrono::milliseconds timeout) override {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + timeout);
    v1::ListModelsResponse response;
    RETURN_IF_ERROR(FromGrpc(stub_->ListModels(&context, {}, &response)));
    std::vector<ServedModel> models;
    for (const v1::ModelInfo& model : response.models()) {
      models.push_back({model.id(), model.created_s(), model.context_length()});
    }
    return models;
  }

 private:
  const std::unique_ptr<v1::Inference::Stub> stub_;
};

}  // namespace

std::unique_ptr<Client> MakeClient(std::shared_ptr<grpc::Channel> channel) {
  return std::make_unique<GrpcClient>(std::move(channel));
}

absl::StatusOr<std::unique_ptr<Client>> Client::Connect(const std::string& address) {
  const size_t colon = address.rfind(':');
  const std::string port = colon == std::string::npos ? "" : address.substr(colon + 1);
  if (colon == 0 || port.empty() || port.find_first_not_of("0123456789") != std::string::npos ||
      port.size() > 5) {
    return InvalidArgument(
        "'{}' is not an address of the form host:port, for example 127.0.0.1:8001", address);
  }
  return MakeClient(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
}

}  // namespace conclave
