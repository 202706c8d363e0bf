#include "common/rpc/status_convert.h"
#include "services/expert_host/convert.h"
#include "services/expert_host/service.h"

namespace conclave {

grpc::ServerUnaryReactor* ExpertService::Status(grpc::CallbackServerContext* context,
                                                const v1::ExpertStatusRequest* request,
                                                v1::ExpertStatusResponse* response) {
  CallScope scope(rpc_metrics_, "Expert.Status");
  response->set_epoch(state_.epoch());
  response->set_hosted_experts(static_cast<uint32_t>(store_.held()));
  response->set_resident_bytes(store_.resident_bytes());
  response->set_rows(server_.counters().picks);
  LoadsToProto(store_.Loads(), store_.config(), response);
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpc(scope.Finish(absl::OkStatus())));
  return reactor;
}

}  // namespace conclave
