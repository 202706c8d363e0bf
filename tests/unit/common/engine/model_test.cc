#include "common/engine/model.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "common/engine/weights.h"
#include "tests/unit/common/engine/small_model.h"

namespace conclave {
namespace {

using testing::HasSubstr;

TEST(Model, HoldsEveryWeightOnceInItsStoredType) {
  for (const char* name : kSmallModels) {
    const auto model = SmallModel(name, ComputeMode::kF32);
    const auto checkpoint = Checkpoint::Open(GoldenDir(name));
    ASSERT_TRUE(checkpoint.ok());
    // kv_b is kept in both of its roles but the duplicated MTP embedding and head are not.
    EXPECT_LT(model->resident_bytes(), (*checkpoint)->TotalBytes() * 1.25) << name;
    EXPECT_GT(model->resident_bytes(), (*checkpoint)->TotalBytes() * 0.8) << name;
  }
  const auto fp8 = SmallModel("deepseek_v3-fp8-yarn", ComputeMode::kF32);
  EXPECT_EQ(fp8->weights().layers[0].attention.q_b.m.type, kernels::WeightType::kFp8);
  EXPECT_EQ(fp8->weights().layers[0].attention.uk[1].m.type, kernels::WeightType::kFp8);
  EXPECT_EQ(fp8->weights().layers[0].attention.uv[3].m.type, kernels::WeightType::kFp8);
  EXPECT_FALSE(fp8->weights().mtp->embedding.has_value());
  EXPECT_FALSE(fp8->weights().mtp->head.has_value());
}

TEST(Model, EveryFamilyHoldsItsWeightsOnce) {
  for (const char* name : {"deepseek_v2", "deepseek_v2-lite", "llama-gqa", "qwen2-untied"}) {
    const auto model = SmallModel(name, ComputeMode::kF32);
    const auto checkpoint = Checkpoint::Open(GoldenDir(name));
    ASSERT_TRUE(checkpoint.ok());
    EXPECT_LT(model->resident_bytes(), (*checkpoint)->TotalBytes() * 1.25) << name;
    EXPECT_GT(model->resident_bytes(), (*checkpoint)->TotalBytes() * 0.95) << name;
    EXPECT_FALSE(model->has_mtp());
  }
  const auto qwen = SmallModel("qwen2-tied", ComputeMode::kF32);
  const LayerWeights& layer = qwen->weights().layers[0];
  EXPECT_EQ(layer.gqa.q_bias.size(), 96u);
  EXPECT_EQ(layer.gqa.k_bias.size(), 32u);
  EXPECT_TRUE(layer.attention.input_norm.empty());
  EXPECT_EQ(qwen->weights().embedding.rows.bytes(), 0);  // the head serves as embedding
  // Unless the head is requantised: what is looked up is what the checkpoint holds.
  const auto exact = SmallModel("qwen2-tied", ComputeMode::kInt8);
  std::vector<float> stored(96), read(96);
  qwen->weights().embedding.Read(300, stored.data());
  exact->weights().embedding.Read(300, read.data());
  EXPECT_EQ(read, stored);
  EXPECT_EQ(SmallModel("deepseek_v2", ComputeMode::kF32)->weights().layers[1].router_bias.size(),
            0u);
}

TEST(Model, PartsAreLoadedApart) {
  std::vector<int64_t> progress;
  int64_t total = 0;
  const auto attention =
      Model::Load(GoldenDir(kSmallModels[0]), {.mode = ComputeMode::kF32,
                                               .experts = false,
                                               .mtp = false,
                                               .progress = [&](const Progress& p) {
                                                 progress.push_back(p.done_bytes);
                                                 total = p.total_bytes;
                                               }});
  ASSERT_TRUE(attention.ok()) << attention.status();
  EXPECT_TRUE((*attention)->has_attention());
  EXPECT_FALSE((*attention)->has_mtp());
  EXPECT_EQ((*attention)->experts()->held(), 0);
  EXPECT_TRUE(std::is_sorted(progress.begin(), progress.end()));
  ASSERT_EQ(progress.size(), 1u + (*attention)->config().num_layers);
  EXPECT_EQ(progress.back(), total);
  // With the MTP layer, the experts and the rest are everything that the checkpoint holds.
  int64_t expert_bytes = 0, all_bytes = 0;
  const auto experts = Model::Load(
      GoldenDir(kSmallModels[0]),
      {.mode = ComputeMode::kF32, .attention = false, .progress = [&](const Progress& p) {
         EXPECT_LE(p.done_bytes, p.total_bytes);
         expert_bytes = p.done_bytes;
       }});
  ASSERT_TRUE(experts.ok());
  const auto both = Model::Load(GoldenDir(kSmallModels[0]),
                                {.mode = ComputeMode::kF32,
                                 .progress = [&](const Progress& p) { all_bytes = p.done_bytes; }});
  ASSERT_TRUE(both.ok());
  const auto checkpoint = Checkpoint::Open(GoldenDir(kSmallModels[0]));
  ASSERT_TRUE(checkpoint.ok());
  EXPECT_EQ(all_bytes, (*checkpoint)->TotalBytes());
  EXPECT_GT(expert_bytes, 0);
  EXPECT_LT(expert_bytes + total, all_bytes);
  EXPECT_EQ((*experts)->experts()->held(), 4 * 16);
  EXPECT_EQ((*experts)->fingerprint(), (*attention)->fingerprint());
  EXPECT_EQ((*experts)->resident_bytes() + (*attention)->resident_bytes() <
                2 * SmallModel(kSmallModels[0], ComputeMode::kF32)->resident_bytes(),
            true);
}

// A copy of a checkpoint that a test may damage.
class DamagedModel : public testing::Test {
 protected:
  std::filesystem::path dir_ =
      std::filesystem::path(testing::TempDir()) /
      (std::string("damaged_") + testing::UnitTest::GetInstance()->current_test_info()->name());

  void SetUp() override {
    std::filesystem::remove_all(dir_);
    std::filesystem::copy(GoldenDir("deepseek_v3-fp8-yarn"), dir_);
    for (const auto& file : std::filesystem::directory_iterator(dir_))
      std::filesystem::permissions(file, std::filesystem::perms::owner_write,
                                   std::filesystem::perm_options::add);
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  void Replace(const std::string& file, const std::string& from, const std::string& to) {
    std::ifstream in(dir_ / file, std::ios::binary);
    std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos);
    std::ofstream(dir_ / file, std::ios::binary) << text.replace(at, from.size(), to);
  }
  std::string LoadError() {
    const auto model = Model::Load(dir_.string(), {.mode = ComputeMode::kF32});
    EXPECT_FALSE(model.ok());
    return Message(model.status());
  }
};

TEST_F(DamagedModel, AShapeThatIsNotTheConfigsIsNamed) {
  Replace("config.json", "\"moe_intermediate_size\": 40", "\"moe_intermediate_size\": 48");
  EXPECT_THAT(LoadError(),
              testing::AllOf(HasSubstr("model.layers."), HasSubstr("48"), HasSubstr("40")));
}

TEST_F(DamagedModel, AMissingShardIsNamed) {
  std::filesystem::remove(dir_ / "model-00002-of-00003.safetensors");
  EXPECT_THAT(LoadError(), HasSubstr("model-00002-of-00003.safetensors"));
}

TEST_F(DamagedModel, ACodeThatIsNotANumberIsNamed) {
  const auto checkpoint = Checkpoint::Open(dir_.string());
  ASSERT_TRUE(checkpoint.ok());
  const auto view = (*checkpoint)->Get("model.layers.0.self_attn.q_b_proj.weight");
  ASSERT_TRUE(view.ok());
  const std::string bytes(reinterpret_cast<const char*>(view->data), 64);
  std::string damaged = bytes;
  damaged[3] = '\x7f';
  Replace("model-00001-of-00003.safetensors", bytes, damaged);
  EXPECT_THAT(LoadError(), testing::AllOf(HasSubstr("q_b_proj.weight"), HasSubstr("[0, 3]"),
                                          HasSubstr("not a finite number")));
}

}  // namespace
}  // namespace conclave
