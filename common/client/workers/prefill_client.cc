#include "common/client/workers/prefill_client.h"

#include <grpcpp/client_context.h>

#include <set>

#include "common/base/mutex.h"
#include "common/client/workers/call_deadline.h"
#include "common/client/workers/convert.h"
#include "common/rpc/status_convert.h"
#include "proto/conclave/v1/prefill.grpc.pb.h"

namespace conclave {
namespace {

// Addresses whose worker knows us. A worker that came back answers FAILED_PRECONDITION, and is greeted again.
class Greeted {
 public:
  bool Contains(const std::string& address) {
    MutexLock lock(mu_);
    return addresses_.count(address) > 0;
  }
  void Add(const std::string& address) {
    MutexLock lock(mu_);
    addresses_.insert(address);
  }
  void Remove(const std::string& address) {
    MutexLock lock(mu_);
    addresses_.erase(address);
  }

 private:
  Mutex mu_;
  std::set<std::string> addresses_ GUARDED_BY(mu_);
};

// Hello (when the worker does not know us), then Run; once more from the start when the worker forgot us.
class Call : public PrefillCall, public std::enable_shared_from_this<Call> {
 public:
  Call(std::shared_ptr<grpc::Channel> channel, std::shared_ptr<Greeted> greeted, PeerIdentity self,
       std::string address, PrefillJob job, SteadyTime deadline,
       std::function<void(absl::StatusOr<PrefillResult>)> done)
      : stub_(v1::Prefill::NewStub(channel)),
        greeted_(std::move(greeted)),
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
    if (greeted_->Contains(address_)) {
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
    stub_->async()->Hello(context, &hello_, &hello_answer_, [self = shared_from_this()](grpc::Status status) {
      if (!status.ok()) return self->Done(FromGrpc(status));
      const absl::Status checked = CheckPeer(self->self_, PeerFromProto(self->hello_answer_));
      if (!checked.ok()) return self->Done(checked);
      self->greeted_->Add(self->address_);
      self->Run();
    });
  }

  void Run() {
    grpc::ClientContext* context = NextContext();
    if (context == nullptr) return Done(Cancelled("cancelled before the prompt was sent to {}", address_));
    stub_->async()->Run(context, &request_, &response_, [self = shared_from_this()](grpc::Status status) {
      self->RunDone(FromGrpc(status));
    });
  }

  void RunDone(const absl::Status& status) {
    if (status.code() == absl::StatusCode::kUnavailable) greeted_->Remove(address_);
    if (status.code() == absl::StatusCode::kFailedPrecondition && !greeted_now_) {
      greeted_->Remove(address_);
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
      // The channel must not outlive what `done` lets end: its last reference may not go on a thread of gRPC.
      MutexLock lock(mu_);
      context_.reset();
      stub_.reset();
    }
    if (!result.ok()) {
      done(Annotate(result.status(), "prefill worker " + address_));
    } else {
      done(std::move(result));
    }
  }

  std::unique_ptr<v1::Prefill::Stub> stub_;
  const std::shared_ptr<Greeted> greeted_;
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
      : channels_(channels), self_(std::move(self)), greeted_(std::make_shared<Greeted>()) {}

  std::shared_ptr<PrefillCall> Run(const std::string& address, PrefillJob job, SteadyTime deadline,
                                   std::function<void(absl::StatusOr<PrefillResult>)> done) override {
    auto call = std::make_shared<Call>(channels_.Get(address), greeted_, self_, address, std::move(job), deadline,
                                       std::move(done));
    call->Start();
    return call;
  }

 private:
  ChannelProvider& channels_;
  const PeerIdentity self_;
  const std::shared_ptr<Greeted> greeted_;
};

}  // namespace

std::unique_ptr<PrefillClient> MakePrefillClient(ChannelProvider& channels, const PeerIdentity& self) {
  return std::make_unique<Client>(channels, self);
}

}  // namespace conclave
