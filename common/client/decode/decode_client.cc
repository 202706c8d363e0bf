#include "common/client/decode/decode_client.h"

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include "common/base/mutex.h"
#include "common/rpc/channel.h"
#include "common/rpc/status_convert.h"
#include "proto/conclave/v1/decode.grpc.pb.h"

namespace conclave {
namespace {

v1::DecodeRequest ToProto(const DecodeSpec& spec) {
  v1::DecodeRequest request;
  request.set_request_id(spec.request_id);
  request.mutable_prompt_ids()->Add(spec.prompt_ids.begin(), spec.prompt_ids.end());
  v1::SamplingSpec& sampling = *request.mutable_sampling();
  sampling.set_temperature(static_cast<float>(spec.temperature));
  sampling.set_top_p(static_cast<float>(spec.top_p));
  sampling.set_seed(spec.seed);
  sampling.set_choice(spec.choice);
  sampling.set_top_logprobs(spec.top_logprobs);
  request.set_max_tokens(spec.max_tokens);
  request.set_ignore_eos(spec.ignore_eos);
  for (const std::string& address : spec.prefill_addresses) request.add_prefill_addresses(address);
  return request;
}

std::vector<GeneratedToken> TokensOf(const v1::DecodeResponse& response) {
  std::vector<GeneratedToken> tokens;
  tokens.reserve(response.tokens_size());
  for (const v1::Token& token : response.tokens()) {
    GeneratedToken out{token.id(), token.logprob(), {}};
    for (const v1::Alternative& top : token.top()) out.top.push_back({top.id(), top.logprob()});
    tokens.push_back(std::move(out));
  }
  return tokens;
}

std::optional<FinishReason> FinishOf(const v1::DecodeResponse& response) {
  switch (response.finish()) {
    case v1::FINISH_REASON_STOP:
      return FinishReason::kStop;
    case v1::FINISH_REASON_LENGTH:
      return FinishReason::kLength;
    default:
      return std::nullopt;
  }
}

// Keeps itself alive until OnDone.
class GrpcDecodeCall : public DecodeCall,
                       public grpc::ClientReadReactor<v1::DecodeResponse>,
                       public std::enable_shared_from_this<GrpcDecodeCall> {
 public:
  GrpcDecodeCall(std::shared_ptr<grpc::Channel> channel, const DecodeSpec& spec,
                 DecodeEvents events)
      : stub_(v1::Decode::NewStub(std::move(channel))),
        request_(ToProto(spec)),
        events_(std::move(events)) {}

  void Start(SteadyTime deadline) {
    self_ = shared_from_this();
    context_->set_deadline(
        std::chrono::system_clock::now() +
        std::chrono::duration_cast<std::chrono::system_clock::duration>(deadline - Now()));
    stub_->async()->Generate(context_.get(), &request_, this);
    StartRead(&response_);
    StartCall();
  }
  void Cancel() override {
    MutexLock lock(mu_);
    if (context_ != nullptr) context_->TryCancel();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    const std::optional<FinishReason> finish = FinishOf(response_);
    finished_ = finished_ || finish.has_value();
    events_.on_tokens(TokensOf(response_), finish);
    StartRead(&response_);
  }
  void OnDone(const grpc::Status& status) override {
    const std::shared_ptr<GrpcDecodeCall> self = std::move(self_);
    const DecodeEvents events = std::exchange(events_, {});
    {
      // Nothing of gRPC's may outlive what `on_done` lets end: the last reference to a channel must
      // not be dropped on one of gRPC's own threads.
      MutexLock lock(mu_);
      context_.reset();
      stub_.reset();
    }
    absl::Status result = FromGrpc(status);
    if (result.ok() && !finished_) result = Internal("the stream ended without a finish reason");
    events.on_done(std::move(result));
  }

 private:
  std::unique_ptr<v1::Decode::Stub> stub_;
  const v1::DecodeRequest request_;
  v1::DecodeResponse response_;
  Mutex mu_;
  // Used without the lock until the call started, when nobody else knows it.
  std::unique_ptr<grpc::ClientContext> context_ = std::make_unique<grpc::ClientContext>();
  DecodeEvents events_;
  bool finished_ = false;
  std::shared_ptr<GrpcDecodeCall> self_;
};

class GrpcDecodeClient : public DecodeClient {
 public:
  explicit GrpcDecodeClient(ChannelProvider& channels) : channels_(channels) {}

  std::shared_ptr<DecodeCall> Generate(const std::string& address, const DecodeSpec& spec,
                                       SteadyTime deadline, DecodeEvents events) override {
    auto call = std::make_shared<GrpcDecodeCall>(channels_.Get(address), spec, std::move(events));
    call->Start(deadline);
    return call;
  }

 private:
  ChannelProvider& channels_;
};

}  // namespace

std::unique_ptr<DecodeClient> MakeDecodeClient(ChannelProvider& channels) {
  return std::make_unique<GrpcDecodeClient>(channels);
}

}  // namespace conclave
