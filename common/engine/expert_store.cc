#include "common/engine/expert_store.h"

#include <algorithm>

#include "common/concurrency/run_tasks.h"
#include "common/engine/fingerprint.h"
#include "common/engine/weight_loader.h"

namespace conclave {

ExpertStore::ExpertStore() = default;
ExpertStore::~ExpertStore() = default;

absl::StatusOr<std::shared_ptr<ExpertStore>> ExpertStore::Open(const std::string& dir,
                                                               ComputeMode mode) {
  ASSIGN_OR_RETURN(const ModelConfig config, LoadModelConfig(dir));
  ASSIGN_OR_RETURN(std::shared_ptr<const Checkpoint> checkpoint, Checkpoint::Open(dir));
  ASSIGN_OR_RETURN(const uint64_t fingerprint, ModelFingerprint(dir, *checkpoint, mode));
  return Create(std::move(checkpoint), config, fingerprint, mode, mode);
}

std::shared_ptr<ExpertStore> ExpertStore::Create(std::shared_ptr<const Checkpoint> checkpoint,
                                                 const ModelConfig& config, uint64_t fingerprint,
                                                 ComputeMode mode, ComputeMode weights) {
  // Shared: a model and its backends use one store.
  std::shared_ptr<ExpertStore> store(new ExpertStore());
  store->config_ = config;
  store->checkpoint_ = std::move(checkpoint);
  store->fingerprint_ = fingerprint;
  store->mode_ = mode;
  store->weights_ = weights;
  const size_t slots = static_cast<size_t>(config.TotalLayers()) * config.num_routed_experts;
  store->tokens_ = std::vector<std::atomic<uint64_t>>(slots);
  MutexLock lock(store->mu_);
  store->experts_.resize(slots);
  return store;
}

absl::Status ExpertStore::CheckRange(int layer, int expert) const {
  if (!config_.HasExperts()) {
    return InvalidArgument("a {} model has no routed experts, so not in layer {} either",
                           config_.model_type, layer);
  }
  if (layer < 0 || layer >= config_.TotalLayers() || !config_.IsMoeLayer(layer)) {
    return InvalidArgument("layer {} has no routed experts; layers {}..{} do", layer,
                           config_.first_k_dense_replace, config_.TotalLayers() - 1);
  }
  if (expert < 0 || expert >= config_.num_routed_experts) {
    return InvalidArgument("expert {} of layer {} lies outside 0..{}", expert, layer,
                           config_.num_routed_experts - 1);
  }
  return absl::OkStatus();
}

absl::Status ExpertStore::Load(int layer, int expert) {
  RETURN_IF_ERROR(CheckRange(layer, expert));
  if (Holds(layer, expert)) return absl::OkStatus();
  const WeightLoader loader(*checkpoint_, config_, weights_);
  ASSIGN_OR_RETURN(FfnWeights weights,
                   loader.LoadFfn(fmt::format("model.layers.{}.mlp.experts.{}.", layer, expert),
                                  config_.hidden_size, config_.moe_intermediate_size));
  auto shared = std::make_shared<const FfnWeights>(std::move(weights));
  MutexLock lock(mu_);
  auto& slot = experts_[Slot(layer, expert)];
  if (slot != nullptr) return absl::OkStatus();  // another thread was first
  resident_bytes_ += shared->Bytes();
  slot = std::move(shared);
  return absl::OkStatus();
}

absl::Status ExpertStore::LoadAll(bool mtp) {
  const int first = config_.first_k_dense_replace, experts = config_.num_routed_experts;
  const int layers = (mtp ? config_.TotalLayers() : config_.num_layers) - first;
  return RunTasks(0, std::max(layers, 0) * experts,
                  [&](int task) { return Load(first + task / experts, task % experts); });
}

absl::Status ExpertStore::Unload(int layer, int expert) {
  RETURN_IF_ERROR(CheckRange(layer, expert));
  std::shared_ptr<const FfnWeights> gone;  // freed after the lock
  MutexLock lock(mu_);
  gone.swap(experts_[Slot(layer, expert)]);
  if (gone == nullptr)
    return FailedPrecondition("expert {} of layer {} is not held", expert, layer);
  resident_bytes_ -= gone->Bytes();
  return absl::OkStatus();
}

bool ExpertStore::Holds(int layer, int expert) const {
  if (!CheckRange(layer, expert).ok()) return false;
  MutexLock lock(mu_);
  return experts_[Slot(layer, expert)] != nullptr;
}

absl::StatusOr<std::shared_ptr<const FfnWeights>> ExpertStore::Find(int layer, int expert) const {
  RETURN_IF_ERROR(CheckRange(layer, expert));
  std::shared_ptr<const FfnWeights> found;
  {
    MutexLock lock(mu_);
    found = experts_[Slot(layer, expert)];
  }
  if (found == nullptr)
    return FailedPrecondition("expert {} of layer {} is not held here", expert, layer);
  return found;
}

int ExpertStore::held() const {
  MutexLock lock(mu_);
  return static_cast<int>(
      std::count_if(experts_.begin(), experts_.end(), [](const auto& e) { return e != nullptr; }));
}

void ExpertStore::CountTokens(int layer, int expert, uint64_t tokens) {
  tokens_[Slot(layer, expert)].fetch_add(tokens, std::memory_order_relaxed);
}

std::vector<ExpertLoad> ExpertStore::Loads() const {
  std::vector<ExpertLoad> loads;
  for (int layer = 0; layer < config_.TotalLayers(); ++layer) {
    for (int expert = 0; expert < config_.num_routed_experts; ++expert) {
      const uint64_t tokens = tokens_[Slot(layer, expert)].load(std::memory_order_relaxed);
      if (tokens > 0) loads.push_back({layer, expert, tokens});
    }
  }
  return loads;
}

}  // namespace conclave
