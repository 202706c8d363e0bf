#include "common/engine/load_plan.h"

#include "common/model/tensor_inventory.h"

namespace conclave {

LoadPlan::LoadPlan(const Checkpoint& checkpoint, const ModelConfig& config, const Parts& parts,
                   ProgressCallback report)
    : report_(std::move(report)), layers_(config.TotalLayers()), experts_(config.TotalLayers()) {
  if (!report_) return;
  for (const ExpectedTensor& tensor : ListTensors(config)) {
    if (tensor.layer >= parts.layers) continue;
    const absl::StatusOr<TensorView> found = checkpoint.Get(tensor.name);
    if (!found.ok()) continue;
    const bool routed = tensor.part == ModelPart::kRoutedExperts;
    if (routed ? !parts.experts : !parts.attention) continue;
    (routed              ? experts_[tensor.layer]
     : tensor.layer >= 0 ? layers_[tensor.layer]
                         : outside_) += found->bytes;
  }
  MutexLock lock(mu_);
  progress_.total_bytes = outside_;
  for (int64_t& bytes : experts_) {
    if (config.num_routed_experts > 0) bytes /= config.num_routed_experts;
    progress_.total_bytes += bytes * config.num_routed_experts;
  }
  for (const int64_t bytes : layers_) progress_.total_bytes += bytes;
}

void LoadPlan::Add(int64_t bytes) {
  if (!report_) return;
  MutexLock lock(mu_);
  progress_.done_bytes += bytes;
  report_(progress_);
}

}  // namespace conclave
