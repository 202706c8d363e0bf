// conclave.v1.Inference: one .cc file per call.
#pragma once

#include <chrono>

#include "common/rpc/envelope.h"
#include "proto/conclave/v1/inference.grpc.pb.h"
#include "services/router/metrics.h"
#include "services/router/model_assets.h"
#include "services/router/pipeline.h"

namespace conclave {

// Thread-safe. Everything pointed to outlives the gRPC server.
class InferenceService : public v1::Inference::CallbackService {
 public:
  struct Deps {
    const ModelAssets* model = nullptr;
    Pipeline* pipeline = nullptr;
    RouterMetrics* metrics = nullptr;
    RpcMetrics* rpc_metrics = nullptr;
    std::chrono::milliseconds request_timeout{120000};
  };
  explicit InferenceService(const Deps& deps) : deps_(deps) {}

  grpc::ServerWriteReactor<v1::GenerateResponse>* Generate(
      grpc::CallbackServerContext* context, const v1::GenerateRequest* request) override;
  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* context,
                                       const v1::ListModelsRequest* request,
                                       v1::ListModelsResponse* response) override;

 private:
  const Deps deps_;
};

}  // namespace conclave
