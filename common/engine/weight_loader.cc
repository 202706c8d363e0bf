#include "common/engine/weight_loader.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "common/engine/arithmetic.h"
#include "kernels/base/dtypes.h"

namespace conclave {
namespace {

using kernels::WeightType;

absl::StatusOr<WeightType> ToWeightType(const TensorView& view) {
  switch (view.type) {
    case TensorType::kF32:
      return WeightType::kF32;
    case TensorType::kBF16:
      return WeightType::kBf16;
    case TensorType::kF8E4M3:
      return WeightType::kFp8;
    default:
      return InvalidArgument("tensor {} has dtype {}, a weight must be F32, BF16 or F8_E4M3",
                             view.name, TensorTypeName(view.type));
  }
}

}  // namespace

struct WeightLoader::Source {
  kernels::WeightSource weight;
  TensorView view;
};

void ReleasePages(const TensorView& view) {
  if (!view.mapped) return;
  const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(view.data) + page - 1) / page * page;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(view.data) + view.bytes) / page * page;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

absl::StatusOr<WeightLoader::Source> WeightLoader::OpenWeight(const std::string& name, int64_t n,
                                                              int64_t k) const {
  Source source;
  ASSIGN_OR_RETURN(source.view, checkpoint_.Get(name + ".weight", {n, k}));
  ASSIGN_OR_RETURN(source.weight.type, ToWeightType(source.view));
  source.weight.rows = n;
  source.weight.cols = k;
  source.weight.data = source.view.data;
  if (source.weight.type != WeightType::kFp8) return source;
  if (config_.fp8_block != kernels::kKBlock) {
    return InvalidArgument(
        "tensor {} is F8_E4M3, but config.json has weight blocks of {}; only {} x {} is known",
        source.view.name, config_.fp8_block, kernels::kKBlock, kernels::kKBlock);
  }
  const int64_t block = kernels::kKBlock;
  ASSIGN_OR_RETURN(TensorView scales,
                   checkpoint_.Get(name + ".weight_scale_inv",
                                   {(n + block - 1) / block, (k + block - 1) / block}));
  if (scales.type != TensorType::kF32) {
    return InvalidArgument("tensor {} has dtype {}, scales must be F32", scales.name,
                           TensorTypeName(scales.type));
  }
  for (int64_t i = 0; i < scales.Elements(); ++i) {
    float scale;
    std::memcpy(&scale, scales.data + 4 * i, 4);
    if (!std::isfinite(scale))
      return InvalidArgument("tensor {}: scale {} is {}", scales.name, i, scale);
  }
  source.weight.scales = scales.data;
  return source;
}

absl::StatusOr<Linear> WeightLoader::PackPart(const Source& source, int64_t row_begin,
                                              int64_t row_count, bool transposed,
                                              Precision precision) const {
  const bool by_mode = precision == Precision::kMode, exact = precision == Precision::kExact;
  kernels::PackSpec spec{source.weight, row_begin, row_count, transposed,
                         by_mode && mode_ == ComputeMode::kInt8};
  kernels::Arithmetic arithmetic = kernels::Arithmetic::kFma;
  if (!exact && UsesBf16(mode_)) {
    ASSIGN_OR_RETURN(arithmetic, ProcessArithmetic());
  }
  // w8a8 is what it is for e4m3; bf16 weights are as in mode bf16.
  const bool as_bf16 = mode_ == ComputeMode::kBF16 ||
                       (mode_ == ComputeMode::kInt8 && precision == Precision::kSixteenBits) ||
                       (mode_ == ComputeMode::kW8A8 && source.weight.type == WeightType::kBf16);
  spec.to_int16 = arithmetic == kernels::Arithmetic::kInt16 && as_bf16;
  Linear linear;
  linear.m = kernels::PlanPack(spec);
  if (by_mode && mode_ == ComputeMode::kW8A8 && linear.m.type == WeightType::kFp8)
    linear.m.activations = kernels::ActivationQuant::kFp8;
  if (by_mode && arithmetic == kernels::Arithmetic::kBf16Dot &&
      (linear.m.type == WeightType::kBf16 || linear.m.type == WeightType::kFp8))
    linear.m.arithmetic = arithmetic;
  ASSIGN_OR_RETURN(linear.data, Buffer::Create(linear.m.data_bytes()));
  ASSIGN_OR_RETURN(linear.scales, Buffer::Create(linear.m.scale_count() * 4));
  ASSIGN_OR_RETURN(linear.irregular, Buffer::Create(linear.m.irregular_count() * 4));
  int64_t row = 0, col = 0;
  if (!kernels::Pack(
          spec, {linear.data.data(), linear.scales.As<float>(), linear.irregular.As<uint32_t>()},
          &row, &col)) {
    return InvalidArgument(
        "tensor {}: the value at [{}, {}] is not a finite number; the checkpoint is damaged",
        source.view.name, row, col);
  }
  linear.m.data = linear.data.data();
  linear.m.scales = linear.scales.As<float>();
  linear.m.irregular = linear.irregular.As<uint32_t>();
  return linear;
}

absl::StatusOr<Linear> WeightLoader::LoadLinear(const std::string& name, int64_t n, int64_t k,
                                                Precision precision) const {
  ASSIGN_OR_RETURN(const Source source, OpenWeight(name, n, k));
  ASSIGN_OR_RETURN(Linear linear, PackPart(source, 0, n, false, precision));
  ReleasePages(source.view);
  return linear;
}

absl::Status WeightLoader::LoadKvB(const std::string& name, AttentionWeights* attention) const {
  const ModelConfig& c = config_;
  const int64_t per_head = c.qk_nope_head_dim + c.v_head_dim;
  ASSIGN_OR_RETURN(const Source source, OpenWeight(name, c.num_heads * per_head, c.kv_lora_rank));
  constexpr Precision kBits = Precision::kSixteenBits;
  for (int h = 0; h < c.num_heads; ++h) {
    const int64_t row = h * per_head;
    ASSIGN_OR_RETURN(Linear uk, PackPart(source, row, c.qk_nope_head_dim, true, kBits));
    ASSIGN_OR_RETURN(Linear uv,
                     PackPart(source, row + c.qk_nope_head_dim, c.v_head_dim, false, kBits));
    ASSIGN_OR_RETURN(Linear k_up, PackPart(source, row, c.qk_nope_head_dim, false, kBits));
    attention->uk.push_back(std::move(uk));
    attention->k_up.push_back(std::move(k_up));
    attention->uv.push_back(std::move(uv));
  }
  ReleasePages(source.view);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<float>> WeightLoader::LoadVector(const std::string& name,
                                                            int64_t n) const {
  ASSIGN_OR_RETURN(const TensorView view, checkpoint_.Get(name, {n}));
  std::vector<float> values(n);
  if (view.type == TensorType::kF32) {
    std::memcpy(values.data(), view.data, n * 4);
  } else if (view.type == TensorType::kBF16) {
    for (int64_t i = 0; i < n; ++i) {
      uint16_t bits;
      std::memcpy(&bits, view.data + 2 * i, 2);
      values[i] = kernels::DecodeBf16(bits);
    }
  } else {
    return InvalidArgument("tensor {} has dtype {}, expected F32 or BF16", name,
                           TensorTypeName(view.type));
  }
  return values;
}

absl::StatusOr<FfnWeights> WeightLoader::LoadFfn(const std::string& prefix, int64_t hidden,
                                                 int64_t inner) const {
  FfnWeights ffn;
  ASSIGN_OR_RETURN(ffn.gate, LoadLinear(prefix + "gate_proj", inner, hidden));
  ASSIGN_OR_RETURN(ffn.up, LoadLinear(prefix + "up_proj", inner, hidden));
  ASSIGN_OR_RETURN(ffn.down, LoadLinear(prefix + "down_proj", hidden, inner));
  return ffn;
}

absl::StatusOr<Embedding> WeightLoader::LoadEmbedding(const std::string& name) const {
  ASSIGN_OR_RETURN(const TensorView view,
                   checkpoint_.Get(name, {config_.vocab_size, config_.hidden_size}));
  Embedding embedding;
  ASSIGN_OR_RETURN(embedding.type, ToWeightType(view));
  if (embedding.type == WeightType::kFp8)
    return InvalidArgument("tensor {} is F8_E4M3, expected BF16 or F32", name);
  embedding.width = config_.hidden_size;
  ASSIGN_OR_RETURN(embedding.rows, Buffer::Create(view.bytes));
  std::memcpy(embedding.rows.data(), view.data, view.bytes);
  ReleasePages(view);
  return embedding;
}

bool WeightLoader::SameTensor(const std::string& a, const std::string& b) const {
  const auto first = checkpoint_.Get(a), second = checkpoint_.Get(b);
  if (!first.ok() || !second.ok() || first->type != second->type || first->shape != second->shape)
    return false;
  // In pieces, so that two embeddings of some GB are not in memory to be compared.
  constexpr int64_t kPiece = 16 << 20;
  for (int64_t at = 0; at < first->bytes; at += kPiece) {
    TensorView x = *first, y = *second;
    x.data += at, y.data += at;
    x.bytes = y.bytes = std::min(kPiece, first->bytes - at);
    const bool same = std::memcmp(x.data, y.data, x.bytes) == 0;
    ReleasePages(x), ReleasePages(y);
    if (!same) return false;
  }
  return true;
}

void Embedding::Read(int64_t id, float* out) const {
  if (packed != nullptr) {
    for (int64_t k = 0; k < width; ++k)
      out[k] = kernels::PackedValue(packed->m, static_cast<int>(id), static_cast<int>(k));
  } else if (type == WeightType::kBf16) {
    const uint16_t* row = rows.As<uint16_t>() + id * width;
    for (int64_t k = 0; k < width; ++k) out[k] = kernels::DecodeBf16(row[k]);
  } else {
    std::memcpy(out, rows.As<float>() + id * width, sizeof(float) * width);
  }
}

}  // namespace conclave
