#include "common/rpc/status_convert.h"
#include "common/rpc/stream_reactor.h"
#include "services/router/convert.h"
#include "services/router/request_error.h"
#include "services/router/rpcs/inference_service.h"

namespace conclave {
namespace {

constexpr char kEndpoint[] = "grpc/Generate";
constexpr size_t kMaxBacklog = 16384;  // messages that a slow client may lag behind

using Stream = ServerStream<v1::GenerateResponse>;

// Ties a call to its generation, whichever of cancellation and start comes first. Thread-safe.
class CancelLink {
 public:
  void Cancel() {
    std::shared_ptr<GenerationHandle> generation;
    {
      MutexLock lock(mu_);
      cancelled_ = true;
      generation.swap(generation_);
    }
    if (generation != nullptr) generation->Cancel();
  }
  void Attach(std::shared_ptr<GenerationHandle> generation) {
    {
      MutexLock lock(mu_);
      if (!cancelled_) {
        generation_ = std::move(generation);
        return;
      }
    }
    generation->Cancel();
  }

 private:
  Mutex mu_;
  std::shared_ptr<GenerationHandle> generation_ GUARDED_BY(mu_);
  bool cancelled_ GUARDED_BY(mu_) = false;
};

class GrpcSink : public GenerationSink {
 public:
  GrpcSink(std::shared_ptr<Stream> stream, std::shared_ptr<CancelLink> link,
           const InferenceService::Deps& deps, bool include_tokens)
      : stream_(std::move(stream)),
        link_(std::move(link)),
        metrics_(*deps.metrics),
        include_tokens_(include_tokens),
        scope_(*deps.rpc_metrics, "Inference.Generate") {}

  void OnStart(const GenerationStart& start) override { stream_->Write(ToProto(start)); }
  void OnDelta(const GenerationDelta& delta) override {
    if (!include_tokens_ && delta.content.empty() && delta.reasoning.empty()) return;
    stream_->Write(ToProto(delta, include_tokens_));
    if (stream_->queued() <= kMaxBacklog) return;
    stream_->Finish(
        ToGrpc(ResourceExhausted("the client lags {} messages behind; read faster", kMaxBacklog)));
    link_->Cancel();
  }
  void OnFinish(FinishReason reason, const GenerationUsage& usage) override {
    stream_->Write(ToProto(reason, usage));
    Done(absl::OkStatus());
  }
  void OnError(const absl::Status& status) override { Done(status); }

 private:
  void Done(const absl::Status& status) {
    metrics_.RequestDone(kEndpoint, absl::StatusCodeToString(status.code()),
                         SecondsSince(received_));
    stream_->Finish(ToGrpc(scope_.Finish(status)));
  }

  const std::shared_ptr<Stream> stream_;
  const std::shared_ptr<CancelLink> link_;
  RouterMetrics& metrics_;
  const bool include_tokens_;
  CallScope scope_;
  const SteadyTime received_ = Now();
};

SteadyTime DeadlineOf(const grpc::CallbackServerContext& context,
                      std::chrono::milliseconds request_timeout) {
  const auto left = context.deadline() - std::chrono::system_clock::now();
  return left >= request_timeout ? Now() + request_timeout
                                 : Now() + std::chrono::duration_cast<Duration>(left);
}

}  // namespace

grpc::ServerWriteReactor<v1::GenerateResponse>* InferenceService::Generate(
    grpc::CallbackServerContext* context, const v1::GenerateRequest* request) {
  auto link = std::make_shared<CancelLink>();
  const SteadyTime deadline = DeadlineOf(*context, deps_.request_timeout);
  auto stream = Stream::Create([link, deadline, metrics = deps_.metrics] {
    if (Now() < deadline) metrics->disconnects.Add();
    link->Cancel();
  });
  auto sink = std::make_shared<GrpcSink>(stream, link, deps_, request->include_token_ids());
  absl::StatusOr<GenerationRequest> generation = FromProto(*request);
  if (generation.ok()) {
    generation->deadline = deadline;
    link->Attach(deps_.pipeline->Start(*std::move(generation), std::move(sink)));
  } else {
    sink->OnError(generation.status());
  }
  return stream->reactor();
}

}  // namespace conclave
