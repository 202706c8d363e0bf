#include "common/engine/buffer.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

namespace conclave {
namespace {

constexpr int64_t kHugePage = 2 << 20;
constexpr int64_t kAlignment = 64;

bool IsMapped(int64_t bytes) { return bytes >= kHugePage; }

}  // namespace

absl::StatusOr<Buffer> Buffer::Create(int64_t bytes) {
  Buffer buffer;
  if (bytes <= 0) return buffer;
  if (IsMapped(bytes)) {
    void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
      return ResourceExhausted("cannot map {} bytes: {}", bytes, std::strerror(errno));
    madvise(p, bytes, MADV_HUGEPAGE);  // advice: without huge pages it is slower, not wrong
    buffer.data_ = static_cast<uint8_t*>(p);
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
  if (IsMapped(bytes_)) {
    munmap(data_, bytes_);
  } else {
    std::free(data_);
  }
}

}  // namespace conclave
