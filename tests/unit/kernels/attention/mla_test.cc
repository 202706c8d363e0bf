#include "kernels/attention/mla.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/unit/kernels/random_values.h"

namespace conclave::kernels {
namespace {

// A cache of scattered pages and the queries of one row.
struct Case {
  MlaCacheShape shape;
  int heads;
  int64_t tokens;
  std::vector<uint8_t> cache;
  std::vector<int32_t> pages;
  std::vector<float> q_latent, q_rope;

  Case(KvType type, int heads, int latent, int rope, int64_t tokens)
      : shape{type, latent, rope}, heads(heads), tokens(tokens) {
    const int width = latent + rope, count = static_cast<int>((tokens + 63) / 64);
    const std::vector<float> values = RandomValues(static_cast<int64_t>(count) * 64 * width, 3);
    cache.resize(count * 64 * shape.TokenBytes());
    for (int64_t t = 0; t < count * 64; ++t)
      MlaEncodeToken(shape, &values[t * width], &cache[t * shape.TokenBytes()]);
    for (int i = 0; i < count; ++i) pages.push_back(count - 1 - i);
    q_latent = RandomValues(static_cast<int64_t>(heads) * latent, 5, 0.3f);
    q_rope = RandomValues(static_cast<int64_t>(heads) * (rope + 2), 6, 0.3f);
  }
  MlaQueryParams Query() const {
    return {.shape = shape,
            .heads = heads,
            .scale = 0.2f,
            .q_latent = q_latent.data(),
            .q_rope = q_rope.data(),
            .rope_stride = shape.rope + 2};
  }
  MlaSplitParams Params() const {
    return {.shape = shape,
            .heads = heads,
            .kv = cache.data(),
            .page_stride = 64 * shape.TokenBytes(),
            .span = {pages.data(), 0, tokens}};
  }
  MlaSpan Split(int split) const {
    const int64_t begin = static_cast<int64_t>(split) * kMlaSplitTokens;
    return {pages.data(), begin, std::min<int64_t>(tokens, begin + kMlaSplitTokens)};
  }
  // Splits in any order, with the next one announced or not; merged one by one or all at once.
  std::vector<float> Attend(Isa isa, bool backwards = false, bool announced = true) const {
    const int splits = static_cast<int>((tokens + kMlaSplitTokens - 1) / kMlaSplitTokens);
    const int64_t partial = MlaPartialFloats(heads, shape.latent);
    std::vector<float> q(MlaQueryFloats(heads, shape)), buffer(MlaPageFloats(shape)),
        parts(splits * partial), out(static_cast<size_t>(heads) * shape.latent);
    MlaQueryParams query = Query();
    query.out = q.data();
    MlaPackQuery(query);
    MlaPages floats{.buffer = buffer.data()};
    for (int i = 0; i < splits; ++i) {
      const int split = backwards ? splits - 1 - i : i;
      MlaSplitParams p = Params();
      p.span = Split(split);
      const int next = backwards ? split - 1 : split + 1;
      if (announced && next >= 0 && next < splits) p.next = Split(next);
      p.q = q.data();
      p.pages = &floats;
      p.max = &parts[split * partial];
      p.sum = p.max + MlaLanes(heads);
      p.mix = p.sum + MlaLanes(heads);
      MlaSplit(p, isa);
    }
    const auto merge = [&](int head_begin, int head_end, int part, int count) {
      MlaMerge({.heads = heads,
                .latent = shape.latent,
                .head_begin = head_begin,
                .head_end = head_end,
                .into = parts.data(),
                .parts = &parts[part * partial],
                .count = count},
               isa);
    };
    if (backwards) {
      for (int part = 1; part < splits; ++part) merge(0, heads, part, 1);
    } else if (splits > 1) {
      merge(0, heads / 2, 1, splits - 1);
      merge(heads / 2, heads, 1, splits - 1);
    }
    MlaNormalise(parts.data(), shape, heads, 0, heads, out.data());
    return out;
  }
};

TEST(Mla, AgreesWithTheOracleAndAllInstructionSetsAgreeInBits) {
  for (KvType type : {KvType::kF32, KvType::kBf16, KvType::kFp8}) {
    for (int heads : {1, 5, 8, 16, 22}) {
      for (int64_t tokens : {1, 7, 63, 64, 65, 200, 256, 257, 700}) {
        const Case c(type, heads, 52, 6, tokens);
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
      const Case c(type, heads, latent, rope, 300);
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
      const Case c(KvType::kBf16, heads, latent, rope, tokens);
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
    Case c(KvType::kF32, heads, 16, 4, 150);
    const std::vector<float> before = c.Attend(BestIsa());
    for (size_t i = 16; i < c.q_latent.size(); ++i) c.q_latent[i] = 100.0f * static_cast<float>(i);
    const std::vector<float> after = c.Attend(BestIsa());
    EXPECT_EQ(std::vector<float>(before.begin(), before.begin() + 16),
              std::vector<float>(after.begin(), after.begin() + 16));
  }
}

TEST(Mla, TokensBeyondTheRowAreNotRead) {
  for (int heads : {8, 16}) {
    Case c(KvType::kF32, heads, 16, 4, 71);
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
