#include "common/rpc/status_convert.h"
#include "services/expert_host/service.h"

namespace conclave {

// Refused with UNAVAILABLE until the first experts are loaded: a client that is connected may count
// on us.
grpc::ServerUnaryReactor* ExpertService::Hello(grpc::CallbackServerContext* context,
                                               const v1::PeerHello* request,
                                               v1::PeerHello* response) {
  CallScope scope(rpc_metrics_, "Expert.Hello");
  const PeerIdentity peer = PeerFromProto(*request);
  absl::Status status = CheckPeer(peers_.self(), peer);
  if (status.ok()) status = state_.Ready();
  if (status.ok()) status = peers_.Accept(peer);
  if (status.ok()) PeerToProto(peers_.self(), response);
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpc(scope.Finish(status)));
  return reactor;
}

}  // namespace conclave
