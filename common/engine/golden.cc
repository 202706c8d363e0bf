#include "common/engine/golden.h"

#include <cstring>

namespace conclave {
namespace {

template <typename T>
absl::StatusOr<std::vector<T>> Copy(const TensorView& view, TensorType type) {
  if (view.type != type) {
    return InvalidArgument("golden tensor {} has dtype {}, expected {}", view.name,
                           TensorTypeName(view.type), TensorTypeName(type));
  }
  std::vector<T> values(view.Elements());
  std::memcpy(values.data(), view.data, view.bytes);
  return values;
}

}  // namespace

absl::StatusOr<Golden> Golden::Open(const std::string& dir) {
  ASSIGN_OR_RETURN(auto file, Checkpoint::OpenFile(dir + "/golden.safetensors"));
  return Golden(std::move(file));
}

absl::StatusOr<std::vector<float>> Golden::Floats(const std::string& name,
                                                  const std::vector<int64_t>& shape) const {
  ASSIGN_OR_RETURN(const TensorView view, file_->Get(name, shape));
  return Copy<float>(view, TensorType::kF32);
}

absl::StatusOr<std::vector<int64_t>> Golden::Integers(const std::string& name,
                                                      const std::vector<int64_t>& shape) const {
  ASSIGN_OR_RETURN(const TensorView view, file_->Get(name, shape));
  return Copy<int64_t>(view, TensorType::kI64);
}

absl::StatusOr<std::vector<int64_t>> Golden::Integers(const std::string& name) const {
  ASSIGN_OR_RETURN(const TensorView view, file_->Get(name));
  return Copy<int64_t>(view, TensorType::kI64);
}

}  // namespace conclave
