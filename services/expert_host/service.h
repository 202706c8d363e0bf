// conclave.v1.Expert; each method lies in rpcs/.
#pragma once

#include "common/client/workers/peer_table.h"
#include "common/engine/expert_store.h"
#include "common/remote_experts/expert_server.h"
#include "common/rpc/envelope.h"
#include "proto/conclave/v1/expert.grpc.pb.h"
#include "services/expert_host/state.h"

namespace conclave {

class ExpertService : public v1::Expert::CallbackService {
 public:
  // References must outlive it.
  ExpertService(ExpertHostState& state, PeerTable& peers, ExpertStore& store, ExpertServer& server,
                RpcMetrics& rpc_metrics)
      : state_(state), peers_(peers), store_(store), server_(server), rpc_metrics_(rpc_metrics) {}

  grpc::ServerUnaryReactor* Hello(grpc::CallbackServerContext* context,
                                  const v1::PeerHello* request, v1::PeerHello* response) override;
  grpc::ServerUnaryReactor* Status(grpc::CallbackServerContext* context,
                                   const v1::ExpertStatusRequest* request,
                                   v1::ExpertStatusResponse* response) override;

 private:
  ExpertHostState& state_;
  PeerTable& peers_;
  ExpertStore& store_;
  ExpertServer& server_;
  RpcMetrics& rpc_metrics_;
};

}  // namespace conclave
