#include "common/model/model_size.h"

#include <gtest/gtest.h>

namespace conclave {
namespace {

int64_t At(const std::array<PartSize, ModelSize::kParts>& parts, ModelPart part) {
  return parts[static_cast<int>(part)].parameters;
}

TEST(ModelSize, CountsGroupedAttention) {
  ModelConfig c;
  c.family = ModelFamily::kQwen2;
  c.vocab_size = 10, c.hidden_size = 8, c.num_layers = 2, c.first_k_dense_replace = 2;
  c.num_heads = 4, c.num_kv_heads = 2, c.head_dim = 2, c.qkv_bias = true;
  c.intermediate_size = 5;
  const ModelSize size = MeasureModel(ListTensors(c), c, nullptr);
  EXPECT_EQ(At(size.main, ModelPart::kEmbedding), 80);
  EXPECT_EQ(At(size.main, ModelPart::kHead), 80);
  EXPECT_EQ(At(size.main, ModelPart::kAttention), 2 * (8 * 8 * 2 + 2 * 4 * 8 + 8 + 4 + 4));
  EXPECT_EQ(At(size.main, ModelPart::kDenseFfn), 2 * 3 * 5 * 8);
  EXPECT_EQ(At(size.main, ModelPart::kNorms), 5 * 8);
  EXPECT_EQ(size.ActiveParameters(c), size.Parameters());
  EXPECT_EQ(size.Bytes(), 2 * size.Parameters());
  EXPECT_EQ(size.RoutedBytes(), 0);

  c.tie_word_embeddings = true;
  const ModelSize tied = MeasureModel(ListTensors(c), c, nullptr);
  EXPECT_EQ(tied.Parameters(), size.Parameters() - 80);
  EXPECT_EQ(tied.Bytes(), size.Bytes() - 160);

  const KvSize kv = KvBytesPerToken(c);
  EXPECT_EQ(kv.bf16_bytes, 2 * 2 * (2 * 2 * 2));
  EXPECT_EQ(kv.f32_bytes, 2 * kv.bf16_bytes);
  EXPECT_EQ(kv.fp8_bytes, 0);
}

TEST(ModelSize, CountsExpertsScalesAndMtpApart) {
  ModelConfig c;
  c.vocab_size = 256, c.hidden_size = 256, c.num_layers = 2, c.num_mtp_layers = 1;
  c.num_heads = 2, c.kv_lora_rank = 200, c.qk_nope_head_dim = 64, c.qk_rope_head_dim = 32;
  c.v_head_dim = 64, c.intermediate_size = 512, c.moe_intermediate_size = 130;
  c.first_k_dense_replace = 1, c.num_routed_experts = 4, c.num_experts_per_token = 2;
  c.num_shared_experts = 1, c.fp8_block = 128;
  const ModelSize size = MeasureModel(ListTensors(c), c, nullptr);
  const int64_t expert = 3 * 256 * 130;
  EXPECT_EQ(At(size.main, ModelPart::kRoutedExperts), 4 * expert);
  EXPECT_EQ(At(size.main, ModelPart::kSharedExperts), expert);
  EXPECT_EQ(At(size.mtp, ModelPart::kRoutedExperts), 4 * expert);
  EXPECT_EQ(At(size.mtp, ModelPart::kMtpGlue), 2 * 256 * 256 + 3 * 256);
  EXPECT_EQ(size.ActiveParameters(c), size.Parameters() - 2 * expert);
  // 130 values make two blocks: 2 x 2 scales for each of the three weights.
  EXPECT_EQ(size.RoutedBytes(), 8 * (expert + 3 * 4 * 4));
  EXPECT_EQ(size.copied_bytes, 0) << "copies are optional, so a model without files has none";
  EXPECT_EQ(size.AttentionBytes() + size.RoutedBytes(), size.Bytes());
  const KvSize kv = KvBytesPerToken(c);
  EXPECT_EQ(kv.bf16_bytes, 3 * 2 * 232);
  EXPECT_EQ(kv.fp8_bytes, 3 * (200 + 2 * 4 + 2 * 32));
}

}  // namespace
}  // namespace conclave
