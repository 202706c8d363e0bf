#include "common/rpc/status_convert.h"
#include "services/prefill/service.h"

namespace conclave {

grpc::ServerUnaryReactor* PrefillService::Hello(grpc::CallbackServerContext* context,
                                                const v1::PeerHello* request,
                                                v1::PeerHello* response) {
  CallScope scope(rpc_metrics_, "Prefill.Hello");
  const absl::Status accepted = peers_.Accept(PeerFromProto(*request));
  if (accepted.ok()) PeerToProto(peers_.self(), response);
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpc(scope.Finish(accepted)));
  return reactor;
}

}  // namespace conclave
