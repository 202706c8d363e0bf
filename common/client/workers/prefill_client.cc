#include "common/client/workers/prefill_client.h"

#include <grpcpp/client_context.h>

#include <map>

#include "common/base/mutex.h"
#include "common/client/workers/call_deadline.h"
#include "common/client/workers/convert.h"
#include "common/rpc/status_convert.h"
#include "proto/conclave/v1/prefill.grpc.pb.h"

namespace conclave {
namespace {

// The workers that were asked: their channels, and whether they know us. A worker that came back
// answers FAILED_PRECONDITION, and is greeted again. Channels are kept here because gRPC cannot
// bear that the last one of a process is let go by one of its own threads.
class Workers {
 public:
  void Use(const std::string& address, std::shared_ptr<grpc::Channel> channel) {
    MutexLock lock(mu_);
    workers_[address].channel.swap(channel);
  }
  bool IsGreeted(const std::string& address) {
    MutexLock lock(mu_);
    return workers_[address].greeted;
  }
  void SetGreeted(const std::string& address, bool greeted) {
    MutexLock lock(mu_);
    workers_[address].greeted = greeted;
  }

 private:
  struct Worker {
    std::shared_ptr<grpc::Channel> channel;
    bool greeted = false;
  };
  Mutex mu_;
  std::map<std::string, Worker> workers_ GUARDED_BY(mu_);
};

// Hello (when the worker does not know us), then Run; once more from the start when the worker
// forgot us.
class Call : public PrefillCall, public std::enable_shared_from_this<Call> {
 public:
  Call(std::shared_ptr<grpc::Channel> channel, std::shared_ptr<Workers> workers, PeerIdentity self,
       std::string address, PrefillJob job, SteadyTime deadline,
       std::function<void(absl::StatusOr<PrefillResult>)> done)
      : stub_(v1::Prefill::NewStub(channel)),
        workers_(std::move(workers)),
        self_(std::move(self)),
        address_(std::move(address)),
        deadline_(deadline),
        done_(std::move(done)) {
    request_.set_request_id(job.request_id);
    request_.mutable_prompt_ids()->Add(job.prompt_ids.begin(), job.prompt_ids.end());
    *request_.mutable_sampling() = SamplingToProto(job.sampling);
    *request_.mutable_ticket() = TicketToProto(job.ticket);
  }

  void Start() {
    if (workers_->IsGreeted(address_)) {
      Run();
    } else {
      Hello();
    }
  }

  void Cancel() override {
    MutexLock lock(mu_);
    cancelled_ = true;
    if (context_ != nullptr) context_->TryCancel();
  }

 private:
  // A context for the next call of the chain; null when cancelled meanwhile.
  grpc::ClientContext* NextContext() {
    MutexLock lock(mu_);
    if (cancelled_) return nullptr;
    context_ = std::make_unique<grpc::ClientContext>();
    SetCallDeadline(*context_, deadline_);
    return context_.get();
  }

  void Hello() {
    grpc::ClientContext* context = NextContext();
    if (context == nullptr) return Done(Cancelled("cancelled before the hello to {}", address_));
    greeted_now_ = true;
    PeerToProto(self_, &hello_);
    stub_->async()->Hello(
        context, &hello_, &hello_answer_, [self = shared_from_this()](grpc::Status status) {
          if (!status.ok()) return self->Done(FromGrpc(status));
          const absl::Status checked = CheckPeer(self->self_, PeerFromProto(self->hello_answer_));
          if (!checked.ok()) return self->Done(checked);
          self->workers_->SetGreeted(self->address_, true);
          self->Run();
        });
  }

  void Run() {
    grpc::ClientContext* context = NextContext();
    if (context == nullptr)
      return Done(Cancelled("cancelled before the prompt was sent to {}", address_));
    stub_->async()->Run(
        context, &request_, &response_,
        [self = shared_from_this()](grpc::Status status) { self->RunDone(FromGrpc(status)); });
  }

  void RunDone(const absl::Status& status) {
    if (status.code() == absl::StatusCode::kUnavailable) workers_->SetGreeted(address_, false);
    if (status.code() == absl::StatusCode::kFailedPrecondition && !greeted_now_) {
      workers_->SetGreeted(address_, false);
      return Hello();
    }
    if (!status.ok()) return Done(status);
    PrefillResult result;
    result.first_token = TokenFromProto(response_.first_token());
    result.manifest = ManifestFromProto(response_.manifest());
    Done(std::move(result));
  }

  void Done(absl::StatusOr<PrefillResult> result) {
    auto done = std::move(done_);
    {
      // Nothing of gRPC's may outlive what `done` lets end.
      MutexLock lock(mu_);
      context_.reset();
      stub_.reset();
      workers_.reset();
    }
    if (!result.ok()) {
      done(Annotate(result.status(), "prefill worker " + address_));
    } else {
      done(std::move(result));
    }
  }

  std::unique_ptr<v1::Prefill::Stub> stub_;
  std::shared_ptr<Workers> workers_;
  const PeerIdentity self_;
  const std::string address_;
  const SteadyTime deadline_;
  // Used by one call of the chain at a time.
  std::function<void(absl::StatusOr<PrefillResult>)> done_;
  v1::PeerHello hello_, hello_answer_;
  v1::PrefillRequest request_;
  v1::PrefillResponse response_;
  bool greeted_now_ = false;
  Mutex mu_;
  std::unique_ptr<grpc::ClientContext> context_ GUARDED_BY(mu_);
  bool cancelled_ GUARDED_BY(mu_) = false;
};

class Client : public PrefillClient {
 public:
  Client(ChannelProvider& channels, PeerIdentity self)
      : channels_(channels), self_(std::move(self)), workers_(std::make_shared<Workers>()) {}

  std::shared_ptr<PrefillCall> Run(
      const std::string& address, PrefillJob job, SteadyTime deadline,
      std::function<void(absl::StatusOr<PrefillResult>)> done) override {
    const std::shared_ptr<grpc::Channel> channel = channels_.Get(address);
    workers_->Use(address, channel);
    auto call = std::make_shared<Call>(channel, workers_, self_, address, std::move(job), deadline,
                                       std::move(done));
    call->Start();
    return call;
  }

 private:
  ChannelProvider& channels_;
  const PeerIdentity self_;
  const std::shared_ptr<Workers> workers_;
};

}  // namespace

std::unique_ptr<PrefillClient> MakePrefillClient(ChannelProvider& channels,
                                                 const PeerIdentity& self) {
  return std::make_unique<Client>(channels, self);
}

}  // namespace conclave
