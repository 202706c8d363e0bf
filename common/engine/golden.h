// golden.safetensors: what an independent implementation computed for a checkpoint. Names and
// shapes are listed in tests/golden/README.md.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/model/checkpoint.h"

namespace conclave {

// Const and thread-safe.
class Golden {
 public:
  // Reads `dir`/golden.safetensors.
  static absl::StatusOr<Golden> Open(const std::string& dir);

  bool Has(const std::string& name) const { return file_->Has(name); }
  // InvalidArgument naming the tensor unless it has this dtype (F32, I64) and shape.
  absl::StatusOr<std::vector<float>> Floats(const std::string& name,
                                            const std::vector<int64_t>& shape) const;
  absl::StatusOr<std::vector<int64_t>> Integers(const std::string& name,
                                                const std::vector<int64_t>& shape) const;
  // A vector of any length.
  absl::StatusOr<std::vector<int64_t>> Integers(const std::string& name) const;

 private:
  explicit Golden(std::unique_ptr<Checkpoint> file) : file_(std::move(file)) {}
  std::unique_ptr<Checkpoint> file_;
};

}  // namespace conclave
