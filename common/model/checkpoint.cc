#include "common/model/checkpoint.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/model/checkpoint_index.h"
#include "common/model/safetensors_header.h"

namespace conclave {
namespace {

bool Exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

std::string ShowShape(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace

int64_t TensorTypeBytes(TensorType type) {
  switch (type) {
    case TensorType::kF32:
      return 4;
    case TensorType::kBF16:
      return 2;
    case TensorType::kF8E4M3:
      return 1;
    case TensorType::kI64:
      return 8;
    case TensorType::kI32:
      return 4;
    case TensorType::kU8:
      return 1;
  }
  return 0;
}

std::string_view TensorTypeName(TensorType type) {
  switch (type) {
    case TensorType::kF32:
      return "F32";
    case TensorType::kBF16:
      return "BF16";
    case TensorType::kF8E4M3:
      return "F8_E4M3";
    case TensorType::kI64:
      return "I64";
    case TensorType::kI32:
      return "I32";
    case TensorType::kU8:
      return "U8";
  }
  return "?";
}

int64_t TensorView::Elements() const { return bytes / TensorTypeBytes(type); }

// A file mapped read-only for its lifetime.
struct Checkpoint::Mapping {
  uint8_t* data = nullptr;
  size_t bytes = 0;

  ~Mapping() {
    if (data != nullptr) ::munmap(data, bytes);
  }

  absl::Status Open(const std::string& path) {
    int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
      if (errno == ENOENT || errno == ENOTDIR) return NotFound("{}: no such file", path);
      return Internal("{}: cannot open: {}", path, std::strerror(errno));
    }
    absl::Status status = MapDescriptor(fd, path);
    ::close(fd);
    return status;
  }

  absl::Status MapDescriptor(int fd, const std::string& path) {
    struct stat info;
    if (::fstat(fd, &info) != 0) return Internal("{}: fstat: {}", path, std::strerror(errno));
    if (!S_ISREG(info.st_mode)) return InvalidArgument("{}: not a regular file", path);
    if (info.st_size == 0) return InvalidArgument("{}: the file is empty", path);
    void* mapped = ::mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) {
      return ResourceExhausted("{}: cannot map {} bytes: {}", path, info.st_size,
                               std::strerror(errno));
    }
    data = static_cast<uint8_t*>(mapped);
    bytes = static_cast<size_t>(info.st_size);
    return absl::OkStatus();
  }
};

Checkpoint::Checkpoint() = default;
Checkpoint::~Checkpoint() = default;

absl::Status Checkpoint::AddFile(const std::string& path,
                                 const std::unordered_set<std::string>* wanted) {
  auto mapping = std::make_unique<Mapping>();
  RETURN_IF_ERROR(mapping->Open(path));
  ASSIGN_OR_RETURN(std::vector<TensorView> tensors,
                   ParseSafetensors({mapping->data, mapping->bytes}, path));
  for (TensorView& tensor : tensors) {
    if (wanted != nullptr && !wanted->contains(tensor.name)) continue;
    std::string name = tensor.name;
    tensors_.emplace(std::move(name), std::move(tensor));
  }
  mappings_.push_back(std::move(mapping));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Checkpoint>> Checkpoint::OpenFile(const std::string& path) {
  std::unique_ptr<Checkpoint> checkpoint(new Checkpoint());
  RETURN_IF_ERROR(checkpoint->AddFile(path, nullptr));
  return checkpoint;
}

absl::StatusOr<std::unique_ptr<Checkpoint>> Checkpoint::Open(const std::string& dir) {
  const std::string single = dir + "/model.safetensors";
  const std::string index_path = dir + "/model.safetensors.index.json";
  if (Exists(single)) return OpenFile(single);
  if (!Exists(index_path)) {
    return NotFound("{}: neither model.safetensors nor model.safetensors.index.json", dir);
  }
  ASSIGN_OR_RETURN(CheckpointIndex index, LoadCheckpointIndex(index_path));
  std::unique_ptr<Checkpoint> checkpoint(new Checkpoint());
  for (const auto& [file, names] : index) {
    const std::string path = dir + "/" + file;
    absl::Status added = checkpoint->AddFile(path, &names);
    if (absl::IsNotFound(added)) {
      return NotFound("{}: shard is missing; {} names it for {} tensors", path, index_path,
                      names.size());
    }
    RETURN_IF_ERROR(added);
    for (const std::string& name : names) {
      if (!checkpoint->Has(name)) {
        return InvalidArgument("{}: tensor {} is not in the shard; {} says it is", path, name,
                               index_path);
      }
    }
  }
  return checkpoint;
}

bool Checkpoint::Has(const std::string& name) const { return tensors_.contains(name); }

absl::StatusOr<TensorView> Checkpoint::Get(const std::string& name) const {
  auto it = tensors_.find(name);
  if (it == tensors_.end())
    return NotFound("tensor {} is not in the checkpoint of {} tensors", name, tensors_.size());
  return it->second;
}

absl::StatusOr<TensorView> Checkpoint::Get(const std::string& name,
                                           const std::vector<int64_t>& shape) const {
  ASSIGN_OR_RETURN(TensorView tensor, Get(name));
  if (tensor.shape != shape) {
    return InvalidArgument("tensor {} has shape {}; the configuration needs {}", name,
                           ShowShape(tensor.shape), ShowShape(shape));
  }
  return tensor;
}

std::vector<std::string> Checkpoint::Names() const {
  std::vector<std::string> names;
  names.reserve(tensors_.size());
  for (const auto& [name, tensor] : tensors_) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

int64_t Checkpoint::TotalBytes() const {
  int64_t total = 0;
  for (const auto& [name, tensor] : tensors_) total += tensor.bytes;
  return total;
}

}  // namespace conclave
