// Storage of the paged latent KV cache: memory and addresses only; who owns which page is decided
// by common/kvcache. Page-major, so that a page is one piece for all layers and (page, layer) is
// one piece for a hand-off: [pages][layers][kPageTokens] tokens of KvWidth values in the format
// that mode and KvFormat say.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "common/base/status.h"
#include "common/engine/compute_mode.h"
#include "common/engine/kv_format.h"
#include "common/model/model_config.h"
#include "kernels/attention/mla.h"

namespace conclave {

inline constexpr int kPageTokens = 64;

// Not synchronised: two threads must not touch the same page when one of them writes.
class KvCache {
 public:
  // ResourceExhausted when the memory cannot be had, InvalidArgument for a format that the model
  // cannot have. Layers include MTP layers.
  static absl::StatusOr<std::unique_ptr<KvCache>> Create(const ModelConfig& config,
                                                         ComputeMode mode, int pages,
                                                         KvFormat format = KvFormat::kMode);
  // Bytes of one token in one layer.
  static int64_t TokenBytesOf(const ModelConfig& config, ComputeMode mode, KvFormat format);
  // Latent attention only: how a token lies in memory.
  static kernels::MlaCacheShape LatentShapeOf(const ModelConfig& config, ComputeMode mode,
                                              KvFormat format);
  ~KvCache();

  int pages() const { return pages_; }
  int layers() const { return layers_; }
  int width() const { return width_; }  // values per token and layer
  KvFormat format() const { return format_; }
  const kernels::MlaCacheShape& latent_shape() const { return latent_shape_; }
  int64_t TokenBytes() const { return token_bytes_; }  // bytes of one token in one layer
  // First byte of (page, layer): kPageTokens * TokenBytes() bytes, tokens in order.
  uint8_t* PageLayer(int page, int layer) const {
    return data_ + (static_cast<int64_t>(page) * layers_ + layer) * kPageTokens * token_bytes_;
  }
  int64_t PageBytes() const { return static_cast<int64_t>(layers_) * kPageTokens * token_bytes_; }
  int64_t TotalBytes() const { return PageBytes() * pages_; }

 private:
  KvCache() = default;
  uint8_t* data_ = nullptr;
  int pages_ = 0, layers_ = 0, width_ = 0;
  int64_t token_bytes_ = 0;
  KvFormat format_ = KvFormat::kMode;
  kernels::MlaCacheShape latent_shape_;
};

}  // namespace conclave
