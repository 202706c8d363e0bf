// conclave.v1.Decode; each method lies in rpcs/.
#pragma once

#include <chrono>

#include "common/model/model_config.h"
#include "common/rpc/envelope.h"
#include "proto/conclave/v1/decode.grpc.pb.h"
#include "services/decode/jobs/receive_prompt.h"
#include "services/decode/state.h"

namespace conclave {

class DecodeService : public v1::Decode::CallbackService {
 public:
  struct Options {
    std::chrono::milliseconds longest_call;  // bound of calls without or with a farther deadline
    size_t max_stream_backlog = 4096;        // messages
  };
  // References must outlive it.
  DecodeService(DecodeState& state, ReceivePrompt& receive, const ModelConfig& config,
                RpcMetrics& rpc_metrics, DecodeMetrics& metrics, const Options& options)
      : state_(state),
        receive_(receive),
        config_(config),
        rpc_metrics_(rpc_metrics),
        metrics_(metrics),
        options_(options) {}

  grpc::ServerWriteReactor<v1::DecodeResponse>* Generate(grpc::CallbackServerContext* context,
                                                         const v1::DecodeRequest* request) override;

 private:
  DecodeState& state_;
  ReceivePrompt& receive_;
  const ModelConfig& config_;
  RpcMetrics& rpc_metrics_;
  DecodeMetrics& metrics_;
  const Options options_;
};

}  // namespace conclave
