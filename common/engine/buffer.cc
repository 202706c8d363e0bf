#include "common/engine/buffer.h"

#include <cstdlib>
#include <cstring>

#include "common/engine/weight_heap.h"

namespace conclave {
namespace {

constexpr int64_t kLarge = 64 << 10;  // from here on worth sharing huge pages
constexpr int64_t kAlignment = 64;

}  // namespace

absl::StatusOr<Buffer> Buffer::Create(int64_t bytes) {
  Buffer buffer;
  if (bytes <= 0) return buffer;
  if (bytes >= kLarge) {
    buffer.data_ = WeightHeap::Get().Allocate(bytes);
    if (buffer.data_ == nullptr)
      return ResourceExhausted("cannot have {} bytes of memory for weights or KV", bytes);
  } else {
    const int64_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    void* p = std::aligned_alloc(kAlignment, rounded);
    if (p == nullptr) return ResourceExhausted("cannot allocate {} bytes", bytes);
    std::memset(p, 0, rounded);
    buffer.data_ = static_cast<uint8_t*>(p);
  }
  buffer.bytes_ = bytes;
  return buffer;
}

Buffer::~Buffer() {
  if (data_ == nullptr) return;
  if (bytes_ >= kLarge) {
    WeightHeap::Get().Free(data_, bytes_);
  } else {
    std::free(data_);
  }
}

}  // namespace conclave
