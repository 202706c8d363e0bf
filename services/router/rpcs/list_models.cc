#include "common/rpc/status_convert.h"
#include "services/router/rpcs/inference_service.h"

namespace conclave {

grpc::ServerUnaryReactor* InferenceService::ListModels(grpc::CallbackServerContext* context,
                                                       const v1::ListModelsRequest*,
                                                       v1::ListModelsResponse* response) {
  CallScope scope(*deps_.rpc_metrics, "Inference.ListModels");
  v1::ModelInfo& model = *response->add_models();
  model.set_id(deps_.model->id);
  model.set_created_s(deps_.model->created_s);
  model.set_context_length(static_cast<uint32_t>(deps_.model->context_length()));
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpc(scope.Finish(absl::OkStatus())));
  return reactor;
}

}  // namespace conclave
