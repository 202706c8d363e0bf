// The comparison can fail: one changed value in the golden data, or one changed weight, is a miss.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "common/engine/verify.h"
#include "services/cli/commands/verify.h"

namespace conclave {
namespace {

namespace fs = std::filesystem;

class Perturbed : public testing::Test {
 protected:
  fs::path dir_ =
      fs::path(testing::TempDir()) /
      (std::string("perturbed_") + testing::UnitTest::GetInstance()->current_test_info()->name());

  void SetUp() override {
    fs::remove_all(dir_);
    fs::copy(
        std::string(std::getenv("CONCLAVE_SOURCE_DIR")) + "/tests/golden/models/deepseek_v3-bf16",
        dir_);
    for (const auto& file : fs::directory_iterator(dir_))
      fs::permissions(file, fs::perms::owner_write, fs::perm_options::add);
  }
  void TearDown() override { fs::remove_all(dir_); }

  // Changes one element of a tensor in place.
  template <typename T, typename F>
  void Change(const std::string& file, const std::string& tensor, int64_t element, F change) {
    std::fstream stream(dir_ / file, std::ios::in | std::ios::out | std::ios::binary);
    uint64_t header_bytes = 0;
    stream.read(reinterpret_cast<char*>(&header_bytes), 8);
    std::string header(header_bytes, ' ');
    stream.read(header.data(), static_cast<std::streamsize>(header_bytes));
    const int64_t begin = nlohmann::json::parse(header)[tensor]["data_offsets"][0];
    const auto at = static_cast<std::streamoff>(8 + header_bytes + begin + element * sizeof(T));
    T value;
    stream.seekg(at);
    stream.read(reinterpret_cast<char*>(&value), sizeof(T));
    value = change(value);
    stream.seekp(at);
    stream.write(reinterpret_cast<const char*>(&value), sizeof(T));
    ASSERT_TRUE(stream.good());
  }
  std::vector<std::string> Misses(ComputeMode mode = ComputeMode::kF32) {
    std::vector<std::string> misses;
    const auto report = Verify({.dir = dir_.string(), .mode = mode});
    EXPECT_TRUE(report.ok()) << report.status();
    for (const VerifyLine& line : report->lines)
      if (!line.ok()) misses.push_back(line.kind);
    return misses;
  }
  using Kinds = std::vector<std::string>;
};

constexpr const char* kGolden = "golden.safetensors";

TEST_F(Perturbed, UnchangedThereIsNoMiss) { EXPECT_EQ(Misses(), Kinds{}); }

TEST_F(Perturbed, ALogit) {
  Change<float>(kGolden, "logits", 5000, [](float v) { return v + 1e-3f; });
  EXPECT_EQ(Misses(), Kinds{"logits"});
  std::ostringstream out, err;
  EXPECT_EQ(RunVerify({.dir = dir_.string()}, out, err), 1);
  EXPECT_NE(out.str().find("MISS  logits[5000]"), std::string::npos) << out.str();
}

TEST_F(Perturbed, AValueThatIsNotANumber) {
  Change<float>(kGolden, "hidden.3", 17, [](float) { return std::nanf(""); });
  EXPECT_EQ(Misses(), Kinds{"hidden"});
}

TEST_F(Perturbed, AnExpertAGreedyTokenAndAnMtpLogit) {
  Change<int64_t>(kGolden, "router.3.topk_idx", 9, [](int64_t v) { return v + 1; });
  Change<int64_t>(kGolden, "greedy_tokens", 23, [](int64_t v) { return (v + 1) % 512; });
  Change<float>(kGolden, "mtp.logits", 3, [](float v) { return v - 1e-3f; });
  EXPECT_EQ(Misses(), (Kinds{"router topk_idx", "greedy tokens", "greedy logprobs", "mtp logits"}));
}

TEST_F(Perturbed, ACachedKeyAndARouterWeight) {
  Change<float>(kGolden, "kv.4.k_pe", 1, [](float v) { return v * 1.01f + 0.01f; });
  Change<float>(kGolden, "router.2.topk_weight", 0, [](float v) { return v + 1e-4f; });
  EXPECT_EQ(Misses(), (Kinds{"kv k_pe", "router topk_weight"}));
}

TEST_F(Perturbed, AWeightOfTheModel) {
  Change<uint16_t>("model.safetensors", "model.layers.1.self_attn.o_proj.weight", 100,
                   [](uint16_t v) { return static_cast<uint16_t>(v ^ 0x4000); });
  const auto misses = Misses();
  EXPECT_GE(misses.size(), 10u);
  EXPECT_FALSE(Misses(ComputeMode::kBF16).empty());
}

}  // namespace
}  // namespace conclave
