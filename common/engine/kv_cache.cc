#include "common/engine/kv_cache.h"

#include <sys/mman.h>

#include <cstring>
#include <limits>

namespace conclave {

absl::StatusOr<std::unique_ptr<KvCache>> KvCache::Create(const ModelConfig& config,
                                                         ComputeMode mode, int pages,
                                                         KvFormat format) {
  if (pages < 1) return InvalidArgument("a KV cache of {} pages, must be at least 1", pages);
  if (format != KvFormat::kMode && !config.IsMla()) {
    return InvalidArgument(
        "a KV cache in the format {} needs latent attention, {} has none; use the format auto",
        KvFormatName(format), config.model_type);
  }
  if (config.IsMla() && !LatentShapeOf(config, mode, format).Supported()) {
    return InvalidArgument(
        "kv_lora_rank {} and qk_rope_head_dim {}: latents in 16-bit fixed point, the cache of mode "
        "{}, need multiples of 2 and of 4; use the cache format bf16",
        config.kv_lora_rank, config.qk_rope_head_dim, ComputeModeName(mode));
  }
  std::unique_ptr<KvCache> cache(new KvCache());
  cache->format_ = format;
  cache->pages_ = pages;
  cache->layers_ = config.TotalLayers();
  cache->width_ = config.KvWidth();
  if (config.IsMla()) cache->latent_shape_ = LatentShapeOf(config, mode, format);
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
  if (config.IsMla()) return LatentShapeOf(config, mode, format).TokenBytes();
  return static_cast<int64_t>(config.KvWidth()) * ActivationBytes(mode);
}

kernels::MlaCacheShape KvCache::LatentShapeOf(const ModelConfig& config, ComputeMode mode,
                                              KvFormat format) {
  using kernels::KvType;
  const KvType type = format == KvFormat::kFp8    ? KvType::kFp8
                      : format == KvFormat::kBf16 ? KvType::kBf16
                      : UsesBf16(mode)            ? KvType::kInt16
                                                  : KvType::kF32;
  return {type, config.kv_lora_rank, config.qk_rope_head_dim};
}

KvCache::~KvCache() {
  if (data_ != nullptr) munmap(data_, TotalBytes());
}

}  // namespace conclave
