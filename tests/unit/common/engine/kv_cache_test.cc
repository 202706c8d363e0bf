#include "common/engine/kv_cache.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace conclave {
namespace {

TEST(KvCache, IsPageMajorAndZero) {
  ModelConfig config;
  config.num_layers = 3;
  config.num_mtp_layers = 1;
  config.kv_lora_rank = 64;
  config.qk_rope_head_dim = 16;
  const auto cache = KvCache::Create(config, ComputeMode::kBF16, 5);
  ASSERT_TRUE(cache.ok()) << cache.status();
  const KvCache& c = **cache;
  EXPECT_EQ(c.layers(), 4);
  EXPECT_EQ(c.TokenBytes(), 160);
  EXPECT_EQ(c.PageBytes(), 4 * 64 * 160);
  EXPECT_EQ(c.PageLayer(1, 0) - c.PageLayer(0, 0), c.PageBytes());
  EXPECT_EQ(c.PageLayer(0, 1) - c.PageLayer(0, 0), 64 * 160);
  EXPECT_TRUE(std::all_of(c.PageLayer(0, 0), c.PageLayer(0, 0) + c.TotalBytes(),
                          [](uint8_t b) { return b == 0; }));
}

TEST(KvCache, Fp8HoldsCodesScalesAndTheRotaryPart) {
  ModelConfig config;
  config.family = ModelFamily::kDeepseekV3;
  config.num_layers = 2;
  config.kv_lora_rank = 512;
  config.qk_rope_head_dim = 64;
  const auto cache = KvCache::Create(config, ComputeMode::kBF16, 3, KvFormat::kFp8);
  ASSERT_TRUE(cache.ok()) << cache.status();
  EXPECT_EQ((*cache)->TokenBytes(), 512 + 4 * 4 + 64 * 2);
  EXPECT_EQ((*cache)->format(), KvFormat::kFp8);
  EXPECT_EQ((*cache)->width(), 576);
  EXPECT_EQ(KvCache::TokenBytesOf(config, ComputeMode::kBF16, KvFormat::kMode), 1152);
}

// The same bytes as bf16, at 16 bits of every latent.
TEST(KvCache, LatentsAreFixedPointInModesWithBf16Activations) {
  using kernels::KvType;
  ModelConfig config;
  config.family = ModelFamily::kDeepseekV3;
  config.num_layers = 2;
  config.kv_lora_rank = 512;
  config.qk_rope_head_dim = 64;
  const auto type = [&](ComputeMode mode, KvFormat format) {
    const auto cache = KvCache::Create(config, mode, 1, format);
    EXPECT_TRUE(cache.ok()) << cache.status();
    EXPECT_EQ((*cache)->TokenBytes(), (*cache)->latent_shape().TokenBytes());
    EXPECT_EQ((*cache)->TokenBytes(), KvCache::TokenBytesOf(config, mode, format));
    return (*cache)->latent_shape().type;
  };
  for (ComputeMode mode : {ComputeMode::kBF16, ComputeMode::kInt8, ComputeMode::kW8A8})
    EXPECT_EQ(type(mode, KvFormat::kMode), KvType::kInt16);
  EXPECT_EQ(type(ComputeMode::kF32, KvFormat::kMode), KvType::kF32);
  for (ComputeMode mode : {ComputeMode::kF32, ComputeMode::kBF16}) {
    EXPECT_EQ(type(mode, KvFormat::kBf16), KvType::kBf16);
    EXPECT_EQ(type(mode, KvFormat::kFp8), KvType::kFp8);
  }
  EXPECT_EQ(KvCache::TokenBytesOf(config, ComputeMode::kF32, KvFormat::kBf16), 1152);
}

TEST(KvCache, FixedPointNeedsLatentsInTwosAndRotaryPartsInFours) {
  ModelConfig config;
  config.family = ModelFamily::kDeepseekV3;
  config.num_layers = 2;
  for (const auto& [latent, rope] : {std::pair{64, 6}, std::pair{63, 8}, std::pair{64, 0}}) {
    config.kv_lora_rank = latent;
    config.qk_rope_head_dim = rope;
    const absl::Status refused = KvCache::Create(config, ComputeMode::kBF16, 1).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(refused.message().find(fmt::format("qk_rope_head_dim {}", rope)), std::string::npos);
    EXPECT_TRUE(KvCache::Create(config, ComputeMode::kF32, 1).ok());
    EXPECT_TRUE(KvCache::Create(config, ComputeMode::kBF16, 1, KvFormat::kBf16).ok());
  }
}

TEST(KvCache, OtherFormatsNeedLatentAttention) {
  ModelConfig config;
  config.family = ModelFamily::kLlama;
  config.num_layers = 2;
  config.num_kv_heads = 2;
  config.head_dim = 16;
  for (KvFormat format : {KvFormat::kFp8, KvFormat::kBf16}) {
    EXPECT_EQ(KvCache::Create(config, ComputeMode::kBF16, 3, format).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

TEST(KvFormat, IsPartOfAWorkersFingerprint) {
  EXPECT_EQ(WorkerFingerprint(7, KvFormat::kMode), 7u);
  EXPECT_NE(WorkerFingerprint(7, KvFormat::kFp8), 7u);
  EXPECT_NE(WorkerFingerprint(7, KvFormat::kFp8), WorkerFingerprint(8, KvFormat::kFp8));
  EXPECT_NE(WorkerFingerprint(7, KvFormat::kBf16), 7u);
  EXPECT_NE(WorkerFingerprint(7, KvFormat::kBf16), WorkerFingerprint(7, KvFormat::kFp8));
  KvFormat format;
  for (KvFormat known : {KvFormat::kMode, KvFormat::kFp8, KvFormat::kBf16}) {
    EXPECT_TRUE(ParseKvFormat(KvFormatName(known), &format));
    EXPECT_EQ(format, known);
  }
  EXPECT_FALSE(ParseKvFormat("int4", &format));
}

TEST(KvCache, RefusesWhatCannotBe) {
  ModelConfig config;
  config.num_layers = 1000;
  config.kv_lora_rank = 1 << 16;
  EXPECT_EQ(KvCache::Create(config, ComputeMode::kF32, 0).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(KvCache::Create(config, ComputeMode::kF32, 2000000000).status().code(),
            absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace conclave
