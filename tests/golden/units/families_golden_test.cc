// The softmax routers, the masked groups and the llama3 rotary table against values computed by
// others.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "common/model/checkpoint.h"
#include "kernels/moe/route.h"
#include "kernels/rope/rope.h"

namespace conclave::kernels {
namespace {

class FamilyUnits : public testing::Test {
 protected:
  std::unique_ptr<Checkpoint> file_ = *Checkpoint::OpenFile(
      std::string(std::getenv("CONCLAVE_SOURCE_DIR")) + "/tests/golden/units/golden.safetensors");

  template <typename T>
  std::vector<T> Read(const std::string& name) {
    const auto view = file_->Get(name);
    EXPECT_TRUE(view.ok()) << view.status();
    std::vector<T> values(view->bytes / sizeof(T));
    std::memcpy(values.data(), view->data, view->bytes);
    return values;
  }
  int Dim(const std::string& name, int i) { return static_cast<int>(file_->Get(name)->shape[i]); }
};

TEST_F(FamilyUnits, SoftmaxRouters) {
  struct Case {
    const char* name;
    int groups, topk_group;
    float scaling;
  };
  for (const Case& c : {Case{"router.v2", 8, 3, 16}, Case{"router.v2lite", 1, 1, 1}}) {
    const std::string name = c.name;
    const auto logits = Read<float>(name + ".logits"), weights = Read<float>(name + ".topk_weight");
    const auto expected = Read<int64_t>(name + ".topk_idx");
    const int rows = Dim(name + ".logits", 0), k = Dim(name + ".topk_idx", 1);
    std::vector<int> index(rows * k);
    std::vector<float> weight(rows * k);
    Route({.rows = rows,
           .experts = Dim(name + ".logits", 1),
           .groups = c.groups,
           .topk_group = c.topk_group,
           .k = k,
           .normalise = false,
           .scaling = c.scaling,
           .logits = logits.data(),
           .index = index.data(),
           .weight = weight.data(),
           .score = RouteScore::kSoftmax});
    for (int i = 0; i < rows * k; ++i) {
      ASSERT_EQ(index[i], expected[i]) << name << " " << i;
      EXPECT_NEAR(weight[i], weights[i], 1e-6 * weights[i]) << name << " " << i;
    }
  }
}

TEST_F(FamilyUnits, NegativeBiasesTellTheTwoMasksApart) {
  EXPECT_NE(Read<int64_t>("router.neg.topk_idx"),
            Read<int64_t>("router.neg.topk_idx_hf_zero_mask"));
}

TEST_F(FamilyUnits, Llama3Frequencies) {
  const auto inv_freq = Read<float>("rope.llama3_8x.inv_freq");
  ASSERT_EQ(inv_freq.size(), 64u);
  std::vector<float> ours(64);
  Llama3RopeFrequencies(
      128, 500000,
      {.factor = 8, .low_freq_factor = 1, .high_freq_factor = 4, .original_positions = 8192},
      ours.data());
  for (int i = 0; i < 64; ++i) EXPECT_NEAR(ours[i], inv_freq[i], 1e-6 * inv_freq[i]) << i;
}

}  // namespace
}  // namespace conclave::kernels
