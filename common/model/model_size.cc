#include "common/model/model_size.h"

namespace conclave {
namespace {

int64_t SumParameters(const std::array<PartSize, ModelSize::kParts>& parts) {
  int64_t sum = 0;
  for (const PartSize& part : parts) sum += part.parameters;
  return sum;
}

int64_t SumBytes(const std::array<PartSize, ModelSize::kParts>& parts) {
  int64_t sum = 0;
  for (const PartSize& part : parts) sum += part.Bytes();
  return sum;
}

constexpr int kRouted = static_cast<int>(ModelPart::kRoutedExperts);

}  // namespace

int64_t PartSize::Bytes() const {
  int64_t sum = 0;
  for (const auto& [type, count] : bytes) sum += count;
  return sum;
}

int64_t ModelSize::Parameters() const { return SumParameters(main); }
int64_t ModelSize::MtpParameters() const { return SumParameters(mtp); }

int64_t ModelSize::ActiveParameters(const ModelConfig& config) const {
  const int64_t routed = main[kRouted].parameters;
  int64_t active = Parameters() - routed;
  if (config.num_routed_experts > 0)
    active += routed / config.num_routed_experts * config.num_experts_per_token;
  return active;
}

int64_t ModelSize::Bytes() const { return SumBytes(main) + SumBytes(mtp); }
int64_t ModelSize::RoutedBytes() const { return main[kRouted].Bytes() + mtp[kRouted].Bytes(); }
int64_t ModelSize::AttentionBytes() const { return Bytes() - RoutedBytes() - copied_bytes; }

ModelSize MeasureModel(const std::vector<ExpectedTensor>& tensors, const ModelConfig& config,
                       const Checkpoint* checkpoint) {
  ModelSize size;
  bool previous_is_fp8 = false;
  for (const ExpectedTensor& tensor : tensors) {
    TensorType type = tensor.types.front();
    bool stored = tensor.presence != Presence::kOptional;
    if (tensor.presence == Presence::kWithFp8) stored = previous_is_fp8;
    if (checkpoint != nullptr) {
      const absl::StatusOr<TensorView> found = checkpoint->Get(tensor.name);
      stored = found.ok();
      if (stored) type = found->type;
    }
    if (tensor.presence != Presence::kWithFp8) previous_is_fp8 = type == TensorType::kF8E4M3;
    const bool mtp = tensor.layer >= config.num_layers;
    PartSize& part = (mtp ? size.mtp : size.main)[static_cast<int>(tensor.part)];
    if (tensor.parameters) part.parameters += tensor.Elements();
    if (!stored) continue;
    const int64_t bytes = tensor.Elements() * TensorTypeBytes(type);
    part.bytes[type] += bytes;
    if (!tensor.parameters && tensor.presence == Presence::kOptional) size.copied_bytes += bytes;
  }
  return size;
}

KvSize KvBytesPerToken(const ModelConfig& config) {
  const int64_t layers = config.TotalLayers(), width = config.KvWidth();
  KvSize size{.f32_bytes = 4 * width * layers, .bf16_bytes = 2 * width * layers};
  if (config.IsMla()) {
    const int64_t latent = config.kv_lora_rank;
    size.fp8_bytes = (latent + 4 * ((latent + 127) / 128) + 2 * config.qk_rope_head_dim) * layers;
  }
  return size;
}

}  // namespace conclave
