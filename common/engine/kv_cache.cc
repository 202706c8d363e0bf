#include "common/engine/kv_cache.h"

#include <sys/mman.h>

#include <cstring>
#include <limits>

namespace conclave {

absl::StatusOr<std::unique_ptr<KvCache>> KvCache::Create(const ModelConfig& config,
                                                         ComputeMode mode, int pages) {
  if (pages < 1) return InvalidArgument("a KV cache of {} pages, must be at least 1", pages);
  std::unique_ptr<KvCache> cache(new KvCache());
  cache->pages_ = pages;
  cache->layers_ = config.TotalLayers();
  cache->width_ = config.KvWidth();
  cache->token_bytes_ = static_cast<int64_t>(cache->width_) * ActivationBytes(mode);
  if (cache->PageBytes() > std::numeric_limits<int64_t>::max() / pages) {
    return ResourceExhausted(
        "{} KV pages of {} bytes exceed the address space; configure fewer pages", pages,
        cache->PageBytes());
  }
  const int64_t bytes = cache->TotalBytes();
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) {
    return ResourceExhausted(
        "cannot map {} bytes for {} KV pages of {} bytes: {}; configure fewer pages", bytes, pages,
        cache->PageBytes(), std::strerror(errno));
  }
  madvise(p, bytes, MADV_HUGEPAGE);
  cache->data_ = static_cast<uint8_t*>(p);
  return cache;
}

KvCache::~KvCache() {
  if (data_ != nullptr) munmap(data_, TotalBytes());
}

}  // namespace conclave
