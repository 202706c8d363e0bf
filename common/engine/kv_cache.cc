#include "common/engine/kv_cache.h"

#include <sys/mman.h>

#include <cstring>
#include <limits>

#include "kernels/attention/mla.h"

namespace conclave {

absl::StatusOr<std::unique_ptr<KvCache>> KvCache::Create(const ModelConfig& config,
                                                         ComputeMode mode, int pages,
                                                         KvFormat format) {
  if (pages < 1) return InvalidArgument("a KV cache of {} pages, must be at least 1", pages);
  if (format == KvFormat::kFp8 && !config.IsMla()) {
    return InvalidArgument(
        "an FP8 KV cache needs latent attention, {} has none; use the format auto",
        config.model_type);
  }
  std::unique_ptr<KvCache> cache(new KvCache());
  cache->format_ = format;
  cache->pages_ = pages;
  cache->layers_ = config.TotalLayers();
  cache->width_ = config.KvWidth();
  cache->token_bytes_ = TokenBytesOf(config, mode, format);
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

int64_t KvCache::TokenBytesOf(const ModelConfig& config, ComputeMode mode, KvFormat format) {
  if (format == KvFormat::kFp8) {
    return kernels::MlaCacheShape{kernels::KvType::kFp8, config.kv_lora_rank,
                                  config.qk_rope_head_dim}
        .TokenBytes();
  }
  return static_cast<int64_t>(config.KvWidth()) * ActivationBytes(mode);
}

KvCache::~KvCache() {
  if (data_ != nullptr) munmap(data_, TotalBytes());
}

}  // namespace conclave
