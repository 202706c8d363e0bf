#include "common/client/workers/call_deadline.h"
#include "common/rpc/status_convert.h"
#include "common/rpc/stream_reactor.h"
#include "services/decode/convert.h"
#include "services/decode/service.h"

namespace conclave {
namespace {

using Stream = ServerStream<v1::DecodeResponse>;

class StreamSink : public TokenSink {
 public:
  StreamSink(std::shared_ptr<Stream> stream, std::unique_ptr<CallScope> scope,
             DecodeMetrics& metrics, size_t max_backlog)
      : stream_(std::move(stream)),
        scope_(std::move(scope)),
        metrics_(metrics),
        max_backlog_(max_backlog) {}

  absl::Status Write(const SampledToken& token, SequenceEnd end) override {
    if (!first_written_) metrics_.first_token_seconds.Observe(SecondsSince(started_));
    first_written_ = true;
    if (stream_->queued() >= max_backlog_) {
      return ResourceExhausted("the client lags {} messages behind: read the stream faster",
                               max_backlog_);
    }
    if (!stream_->Write(ResponseToProto(token, end))) return Cancelled("the client went away");
    return absl::OkStatus();
  }

  void Finish(const absl::Status& status) override {
    stream_->Finish(ToGrpc(scope_->Finish(status)));
  }

 private:
  const std::shared_ptr<Stream> stream_;
  const std::unique_ptr<CallScope> scope_;
  DecodeMetrics& metrics_;
  const size_t max_backlog_;
  const SteadyTime started_ = Now();
  bool first_written_ = false;
};

// Links a stream's cancellation to its sequence, which is made after the stream.
struct Link {
  Mutex mu;
  bool cancelled GUARDED_BY(mu) = false;
  SequencePtr sequence GUARDED_BY(mu);
};

}  // namespace

grpc::ServerWriteReactor<v1::DecodeResponse>* DecodeService::Generate(
    grpc::CallbackServerContext* context, const v1::DecodeRequest* request) {
  auto scope = std::make_unique<CallScope>(rpc_metrics_, "Decode.Generate", request->request_id());
  auto link = std::make_shared<Link>();
  auto stream = Stream::Create([this, link] {
    SequencePtr sequence;
    {
      MutexLock lock(link->mu);
      link->cancelled = true;
      sequence = std::move(link->sequence);
    }
    if (sequence == nullptr) return;
    state_.Cancel(sequence);
    receive_.Interrupt(sequence);
  });
  auto spec = SpecFromProto(*request, config_, CallDeadline(*context, options_.longest_call));
  if (!spec.ok()) {
    stream->Finish(ToGrpc(scope->Finish(spec.status())));
    return stream->reactor();
  }
  auto sequence = std::make_shared<Sequence>();
  sequence->spec = *std::move(spec);
  sequence->sink =
      std::make_unique<StreamSink>(stream, std::move(scope), metrics_, options_.max_stream_backlog);
  {
    MutexLock lock(link->mu);
    link->sequence = sequence;
    if (link->cancelled) sequence->cancelled = true;
  }
  if (const absl::Status submitted = state_.Submit(sequence); !submitted.ok())
    sequence->sink->Finish(submitted);
  return stream->reactor();
}

}  // namespace conclave
