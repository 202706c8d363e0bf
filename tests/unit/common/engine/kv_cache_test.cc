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
