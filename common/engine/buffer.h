// Memory of weights and activations: 64-byte aligned, large pieces in huge pages where the system
// has them.
#pragma once

#include <cstdint>
#include <utility>

#include "common/base/status.h"

namespace conclave {

// Owns its memory; movable, and a move keeps the addresses.
class Buffer {
 public:
  // Zeroed. ResourceExhausted when the memory cannot be had.
  static absl::StatusOr<Buffer> Create(int64_t bytes);
  Buffer() = default;
  ~Buffer();
  Buffer(Buffer&& other) noexcept { *this = std::move(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  uint8_t* data() const { return data_; }
  int64_t bytes() const { return bytes_; }
  template <typename T>
  T* As() const {
    return reinterpret_cast<T*>(data_);
  }

 private:
  uint8_t* data_ = nullptr;
  int64_t bytes_ = 0;
};

}  // namespace conclave
