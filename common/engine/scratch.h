// Activation memory that grows and stays: no allocation in a steady state.
#pragma once

#include <memory>

namespace conclave {

// Not thread-safe. Contents are undefined after Get.
template <typename T>
class Scratch {
 public:
  // At least `count` values; earlier pointers die when it grows.
  T* Get(int64_t count) {
    if (count > capacity_) {
      data_.reset(new T[count]);
      capacity_ = count;
    }
    return data_.get();
  }

 private:
  std::unique_ptr<T[]> data_;
  int64_t capacity_ = 0;
};

}  // namespace conclave
