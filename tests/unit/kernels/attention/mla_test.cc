#include "kernels/attention/mla.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/unit/kernels/attention/mla_case.h"

namespace conclave::kernels {
namespace {

TEST(Mla, AgreesWithTheOracleAndAllInstructionSetsAgreeInBits) {
  for (KvType type : {KvType::kF32, KvType::kBf16, KvType::kFp8}) {
    for (int heads : {1, 5, 8, 16, 22}) {
      for (int64_t tokens : {1, 7, 63, 64, 65, 200, 256, 257, 700}) {
        const MlaCase c(type, heads, 52, 6, tokens);
        std::vector<float> expected(static_cast<size_t>(heads) * 52);
        MlaRef(c.Params(), c.Query(), expected.data());
        const std::vector<float> first = c.Attend(Isa::kPortable);
        for (size_t i = 0; i < first.size(); ++i)
          ASSERT_NEAR(first[i], expected[i], 3e-6) << heads << " heads, " << tokens << " tokens";
        for (Isa isa : SupportedIsas()) {
          EXPECT_TRUE(SameBits(c.Attend(isa), first)) << IsaName(isa) << " " << tokens;
          EXPECT_TRUE(SameBits(c.Attend(isa, true), first)) << IsaName(isa) << " " << tokens;
          EXPECT_TRUE(SameBits(c.Attend(isa, false, false), first)) << IsaName(isa);
        }
      }
    }
  }
}

// Widths that the kernels know, small pages and large ones.
TEST(Mla, RealShapes) {
  for (KvType type : {KvType::kBf16, KvType::kFp8}) {
    for (const auto& [heads, latent, rope] : {std::tuple{16, 512, 64}, std::tuple{8, 128, 32},
                                              std::tuple{20, 512, 64}, std::tuple{4, 64, 32}}) {
      const MlaCase c(type, heads, latent, rope, 300);
      std::vector<float> expected(static_cast<size_t>(heads) * latent);
      MlaRef(c.Params(), c.Query(), expected.data());
      const std::vector<float> first = c.Attend(Isa::kPortable);
      for (size_t i = 0; i < first.size(); ++i) ASSERT_NEAR(first[i], expected[i], 5e-6);
      for (Isa isa : SupportedIsas()) {
        EXPECT_TRUE(SameBits(c.Attend(isa), first)) << IsaName(isa);
        EXPECT_TRUE(SameBits(c.Attend(isa, true), first)) << IsaName(isa);
        EXPECT_TRUE(SameBits(c.Attend(isa, false, false), first)) << IsaName(isa);
      }
    }
  }
}

// Whole pages follow whole pages, the last one of a split is announced or not, and some lanes have
// no head.
TEST(Mla, ManyWholePages) {
  for (const auto& [heads, latent, rope] :
       {std::tuple{11, 512, 64}, std::tuple{16, 512, 64}, std::tuple{5, 128, 32}}) {
    for (int64_t tokens : {64, 128, 640, 655}) {
      const MlaCase c(KvType::kInt16, heads, latent, rope, tokens);
      const std::vector<float> first = c.Attend(Isa::kPortable);
      for (Isa isa : SupportedIsas()) {
        EXPECT_TRUE(SameBits(c.Attend(isa), first)) << IsaName(isa) << " " << tokens;
        EXPECT_TRUE(SameBits(c.Attend(isa, true), first)) << IsaName(isa) << " " << tokens;
        EXPECT_TRUE(SameBits(c.Attend(isa, false, false), first)) << IsaName(isa) << " " << tokens;
      }
    }
  }
}

TEST(Mla, AHeadDoesNotDependOnTheOthers) {
  for (int heads : {8, 16}) {
    MlaCase c(KvType::kF32, heads, 16, 4, 150);
    const std::vector<float> before = c.Attend(BestIsa());
    for (size_t i = 16; i < c.q_latent.size(); ++i) c.q_latent[i] = 100.0f * static_cast<float>(i);
    const std::vector<float> after = c.Attend(BestIsa());
    EXPECT_EQ(std::vector<float>(before.begin(), before.begin() + 16),
              std::vector<float>(after.begin(), after.begin() + 16));
  }
}

TEST(Mla, TokensBeyondTheRowAreNotRead) {
  for (int heads : {8, 16}) {
    MlaCase c(KvType::kF32, heads, 16, 4, 71);
    const std::vector<float> before = c.Attend(BestIsa());
    // Page 1 of the sequence is page 0 of the cache; its tokens 7.. lie behind the row.
    float* values = reinterpret_cast<float*>(c.cache.data());
    for (int i = 7 * 20; i < 64 * 20; ++i) values[i] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_TRUE(SameBits(c.Attend(BestIsa()), before));
  }
}

TEST(Mla, Fp8TokensStayWithinTheirBound) {
  const MlaCacheShape shape{KvType::kFp8, 300, 20};
  EXPECT_EQ(shape.TokenBytes(), 300 + 3 * 4 + 20 * 2);
  std::vector<float> values = RandomValues(320, 9), back(320);
  std::fill(values.begin() + 128, values.begin() + 256, 0.0f);  // one group of zeros
  values[3] = 1e-8f;
  values[260] = 50.0f;
  std::vector<uint8_t> token(shape.TokenBytes());
  MlaEncodeToken(shape, values.data(), token.data());
  MlaDecodeToken(shape, token.data(), back.data());
  for (int group = 0; group < 3; ++group) {
    const int begin = group * 128, end = std::min(begin + 128, 300);
    float most = 0;
    for (int i = begin; i < end; ++i) most = std::max(most, std::abs(values[i]));
    for (int i = begin; i < end; ++i) {
      const float bound = std::max(std::abs(values[i]) / 16, most / 448 / 1024);
      EXPECT_LE(std::abs(back[i] - values[i]), bound * 1.0001f) << i;
    }
  }
  EXPECT_EQ(back[200], 0.0f);
  EXPECT_FLOAT_EQ(back[260], 50.0f);
  for (int i = 300; i < 320; ++i)
    EXPECT_LE(std::abs(back[i] - values[i]), std::abs(values[i]) / 256);
}

}  // namespace
}  // namespace conclave::kernels
