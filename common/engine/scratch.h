// Activation memory that grows and stays: no allocation in a steady state.
#pragma once

#include "common/base/check.h"
#include "common/engine/buffer.h"

namespace conclave {

// Not thread-safe. Contents are undefined after Get.
template <typename T>
class Scratch {
 public:
  // At least `count` values; earlier pointers die when it grows. A process that cannot have the
  // memory of one step ends.
  T* Get(int64_t count) {
    const int64_t bytes = count * static_cast<int64_t>(sizeof(T));
    if (bytes > buffer_.bytes()) {
      buffer_ = Buffer();  // before the new one, so that the heap can reuse its place
      auto buffer = Buffer::Create(bytes);
      CONCLAVE_CHECK(buffer.ok());
      buffer_ = std::move(*buffer);
    }
    return buffer_.template As<T>();
  }

 private:
  Buffer buffer_;
};

}  // namespace conclave
