// conclave.v1.Prefill; each method lies in rpcs/.
#pragma once

#include <chrono>

#include "common/client/workers/peer_table.h"
#include "common/model/model_config.h"
#include "common/rpc/envelope.h"
#include "proto/conclave/v1/prefill.grpc.pb.h"
#include "services/prefill/state.h"

namespace conclave {

class PrefillService : public v1::Prefill::CallbackService {
 public:
  struct Options {
    int64_t token_bytes = 0;                 // of one token's KV in one layer
    std::chrono::milliseconds longest_call;  // bound of calls without or with a farther deadline
  };
  // References must outlive it.
  PrefillService(PrefillState& state, PeerTable& peers, const ModelConfig& config,
                 RpcMetrics& rpc_metrics, const Options& options)
      : state_(state),
        peers_(peers),
        config_(config),
        rpc_metrics_(rpc_metrics),
        options_(options) {}

  grpc::ServerUnaryReactor* Hello(grpc::CallbackServerContext* context,
                                  const v1::PeerHello* request, v1::PeerHello* response) override;
  grpc::ServerUnaryReactor* Run(grpc::CallbackServerContext* context,
                                const v1::PrefillRequest* request,
                                v1::PrefillResponse* response) override;

 private:
  absl::StatusOr<PromptPtr> Prepare(const grpc::CallbackServerContext& context,
                                    const v1::PrefillRequest& request) const;

  PrefillState& state_;
  PeerTable& peers_;
  const ModelConfig& config_;
  RpcMetrics& rpc_metrics_;
  const Options options_;
};

}  // namespace conclave
