// A checkpoint folder's tensors: one model.safetensors, or shards with
// model.safetensors.index.json. Files are memory-mapped read-only; every offset, length, dtype and
// shape is checked against the file before anything is read, so a truncated or lying file gives an
// error and never a fault.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "common/base/status.h"

namespace conclave {

enum class TensorType { kF32, kBF16, kF8E4M3, kI64, kI32, kU8 };
int64_t TensorTypeBytes(TensorType type);
std::string_view TensorTypeName(TensorType type);  // "F32", "BF16", "F8_E4M3", ...

// A view into the mapping: valid as long as the Checkpoint lives. `data` need not be aligned.
struct TensorView {
  std::string name;
  TensorType type = TensorType::kF32;
  std::vector<int64_t> shape;
  const uint8_t* data = nullptr;
  int64_t bytes = 0;
  bool mapped = true;  // pages of a file, which can be given back; else memory that must stay
  int64_t Elements() const;
};

// Const and thread-safe after Open.
class Checkpoint {
 public:
  // Opens `dir`. Errors name the file, the tensor and the numbers: a missing shard, a header longer
  // than the file, offsets beyond the data, sizes that do not match shape × dtype, overlaps and
  // holes. NotFound for a file that is not there, InvalidArgument for one that lies. With an index,
  // exactly the tensors it names are visible.
  static absl::StatusOr<std::unique_ptr<Checkpoint>> Open(const std::string& dir);
  // Opens one .safetensors file.
  static absl::StatusOr<std::unique_ptr<Checkpoint>> OpenFile(const std::string& path);
  virtual ~Checkpoint();

  virtual bool Has(const std::string& name) const;
  absl::StatusOr<TensorView> Get(const std::string& name) const;
  // Get, and InvalidArgument unless the shape is exactly `shape`.
  virtual absl::StatusOr<TensorView> Get(const std::string& name,
                                         const std::vector<int64_t>& shape) const;
  std::vector<std::string> Names() const;  // sorted
  int64_t TotalBytes() const;

 protected:
  Checkpoint();

 private:
  struct Mapping;
  absl::Status AddFile(const std::string& path, const std::unordered_set<std::string>* wanted);
  std::vector<std::unique_ptr<Mapping>> mappings_;
  std::unordered_map<std::string, TensorView> tensors_;
};

}  // namespace conclave
