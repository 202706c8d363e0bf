#include "common/client/workers/call_deadline.h"
#include "common/rpc/status_convert.h"
#include "services/prefill/convert.h"
#include "services/prefill/service.h"

namespace conclave {
namespace {

// Lives until gRPC is through with the call.
class RunReactor : public grpc::ServerUnaryReactor {
 public:
  RunReactor(PrefillState& state, RpcMetrics& metrics, const std::string& request_id,
             v1::PrefillResponse* response)
      : state_(state), scope_(metrics, "Prefill.Run", request_id), response_(response) {}

  void Start(absl::StatusOr<PromptPtr> prepared) {
    if (!prepared.ok()) return End(prepared.status());
    prompt_ = *prepared;
    prompt_->done = [this](absl::StatusOr<PrefillResult> result) {
      if (result.ok()) ResultToProto(*result, response_);
      End(result.status());
    };
    // From here on `done` may come at any time, but this object lives until the method has returned
    // it.
    if (const absl::Status submitted = state_.Submit(prompt_); !submitted.ok()) End(submitted);
  }

  void OnCancel() override {
    if (prompt_ != nullptr) state_.Cancel(prompt_);
  }
  void OnDone() override { delete this; }

 private:
  void End(const absl::Status& status) { Finish(ToGrpc(scope_.Finish(status))); }

  PrefillState& state_;
  CallScope scope_;
  v1::PrefillResponse* const response_;
  PromptPtr prompt_;  // set before Submit, const then
};

}  // namespace

absl::StatusOr<PromptPtr> PrefillService::Prepare(const grpc::CallbackServerContext& context,
                                                  const v1::PrefillRequest& request) const {
  auto prompt = std::make_shared<Prompt>();
  ASSIGN_OR_RETURN(prompt->job, JobFromProto(request, config_, options_.token_bytes));
  prompt->deadline = CallDeadline(context, options_.longest_call);
  prompt->peer = peers_.Find(prompt->job.ticket.owner);
  if (prompt->peer == nullptr) {
    return FailedPrecondition("incarnation {:x} is not connected to {}: call Hello first",
                              prompt->job.ticket.owner, peers_.self().id);
  }
  return prompt;
}

grpc::ServerUnaryReactor* PrefillService::Run(grpc::CallbackServerContext* context,
                                              const v1::PrefillRequest* request,
                                              v1::PrefillResponse* response) {
  auto* reactor = new RunReactor(state_, rpc_metrics_, request->request_id(), response);
  reactor->Start(Prepare(*context, *request));
  return reactor;
}

}  // namespace conclave
