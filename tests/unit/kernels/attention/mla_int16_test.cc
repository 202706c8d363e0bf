#include "kernels/attention/mla_int16.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernels/attention/mla_int16_rope.h"
#include "kernels/attention/mla_isa.h"
#include "tests/unit/kernels/attention/mla_case.h"

namespace conclave::kernels {
namespace {

MlaCase Fixed(int heads, int latent, int rope, int64_t tokens) {
  return MlaCase(KvType::kInt16, heads, latent, rope, tokens);
}

// Every instruction set, AVX-512 with VNNI and without, splits forwards and backwards.
void ExpectTheSameBits(const MlaCase& c) {
  const std::vector<float> first = c.Attend(Isa::kPortable);
  for (Isa isa : SupportedIsas()) {
    EXPECT_TRUE(SameBits(c.Attend(isa), first)) << IsaName(isa) << " " << c.tokens;
    EXPECT_TRUE(SameBits(c.Attend(isa, true), first)) << IsaName(isa) << " " << c.tokens;
    EXPECT_TRUE(SameBits(c.Attend(isa, false, false), first)) << IsaName(isa) << " " << c.tokens;
  }
  if (!IsaSupported(Isa::kAvx512)) return;
  const auto plain = [](const MlaSplitParams& p, Isa) { MlaSplitAvx512(p); };
  EXPECT_TRUE(SameBits(c.Attend(Isa::kAvx512, false, true, plain), first)) << c.tokens;
}

struct Errors {
  double rms = 0, most = 0;
};
Errors AgainstTheOracle(const MlaCase& c) {
  std::vector<float> expected(c.heads * static_cast<size_t>(c.shape.latent));
  MlaRef(c.Params(), c.Query(), expected.data());
  const std::vector<float> ours = c.Attend(BestIsa());
  Errors errors;
  for (size_t i = 0; i < ours.size(); ++i) {
    const double d = std::abs(static_cast<double>(ours[i]) - expected[i]);
    errors.rms += d * d;
    errors.most = d <= errors.most ? errors.most : std::isnan(d) ? INFINITY : d;
  }
  errors.rms = std::sqrt(errors.rms / static_cast<double>(ours.size()));
  return errors;
}

// What codes of queries and of weights can make of a mixture of values of about 1 times a gain of
// about 1. Weights: 64 roundings of at most 1 / 64000 of their sum, at random 8 * 0.29 / 32000.
// Queries move a score by much less.
constexpr double kMost = 64.0 / 64000 * 4 * 4, kRms = 3 * 8 * 0.29 / 32000;

TEST(MlaInt16, AgreesWithTheOracleAndAllInstructionSetsAgreeInBits) {
  for (int heads : {1, 2, 5, 8, 9, 16, 17, 22, 40}) {
    for (int64_t tokens : {1, 2, 3, 7, 12, 23, 33, 63, 64, 65, 127, 200, 256, 257, 700}) {
      const MlaCase c = Fixed(heads, 52, 8, tokens);
      ExpectTheSameBits(c);
      const Errors errors = AgainstTheOracle(c);
      EXPECT_LT(errors.rms, kRms) << heads << " heads, " << tokens << " tokens";
      EXPECT_LT(errors.most, kMost) << heads << " heads, " << tokens << " tokens";
    }
  }
}

// Widths that the kernels know and others; whole pages and parts.
TEST(MlaInt16, RealShapes) {
  for (const auto& [heads, latent, rope] :
       {std::tuple{16, 512, 64}, std::tuple{11, 512, 64}, std::tuple{8, 128, 32},
        std::tuple{5, 128, 32}, std::tuple{40, 512, 64}, std::tuple{4, 64, 32},
        std::tuple{12, 2, 4}, std::tuple{3, 30, 64}}) {
    for (int64_t tokens : {64, 109, 640, 655}) {
      const MlaCase c = Fixed(heads, latent, rope, tokens);
      ExpectTheSameBits(c);
      const Errors errors = AgainstTheOracle(c);
      EXPECT_LT(errors.rms, kRms) << heads << " heads, " << tokens << " tokens";
      EXPECT_LT(errors.most, kMost) << heads << " heads, " << tokens << " tokens";
    }
  }
}

// A token of 50 among equal ones takes all the weight; a query of zeros gives the plain mean; one
// channel may hold the whole latent, in the cache and in the query.
TEST(MlaInt16, Extremes) {
  for (int heads : {8, 16}) {
    constexpr int kLatent = 64, kRope = 4, kTokens = 300;
    MlaCase c = Fixed(heads, kLatent, kRope, kTokens);
    std::vector<float> token(kLatent + kRope);
    const auto store = [&](int64_t t) {
      MlaEncodeToken(c.shape, token.data(),
                     &c.cache[(c.pages[t / 64] * 64 + t % 64) * c.shape.TokenBytes()]);
    };
    for (int64_t t = 0; t < kTokens; ++t) {
      std::fill(token.begin(), token.end(), 0.0f);
      token[t % 2] = t % 2 == 0 ? 8.0f : -8.0f;  // the square root of kLatent, all of it
      store(t);
    }
    std::fill(c.q_rope.begin(), c.q_rope.end(), 0.0f);
    std::fill(c.gain.begin(), c.gain.end(), 1.0f);

    std::fill(c.q_latent.begin(), c.q_latent.end(), 0.0f);
    ExpectTheSameBits(c);
    std::vector<float> out = c.Attend(BestIsa());
    EXPECT_NEAR(out[0], 4.0f, 2e-4f);
    EXPECT_NEAR(out[1], -4.0f, 2e-4f);
    EXPECT_EQ(out[2], 0.0f);

    for (int h = 0; h < heads; ++h) c.q_latent[h * kLatent] = 1e4f;  // of which even tokens have 8
    ExpectTheSameBits(c);
    out = c.Attend(BestIsa());
    EXPECT_NEAR(out[0], 8.0f, 1e-3f);
    EXPECT_NEAR(out[1], 0.0f, 1e-6f);

    for (int h = 0; h < heads; ++h) c.q_latent[h * kLatent] = 1e-30f;  // as good as none
    ExpectTheSameBits(c);
    EXPECT_NEAR(c.Attend(BestIsa())[0], 4.0f, 2e-4f);

    // One peak per page, higher and higher; then one so high that later pages weigh nothing.
    std::fill(c.q_latent.begin(), c.q_latent.end(), 1.0f);
    for (const bool early : {false, true}) {
      for (int64_t t = 0; t < kTokens; ++t) {
        std::fill(token.begin(), token.end(), t == 70 && early ? 1.0f : 0.0f);
        if (t % 64 == 30 && !early) token[7] = static_cast<float>(t) / 50;
        store(t);
      }
      for (float& q : c.q_latent) q = early ? 30.0f : 1.0f;
      ExpectTheSameBits(c);
      const Errors errors = AgainstTheOracle(c);
      EXPECT_LT(errors.most, 8 * 64.0 / 64000);
    }
  }
}

// Any codes, also ones that no token has, whose sums do not fit.
TEST(MlaInt16, SumsThatOverflowDoSoEverywhereAlike) {
  for (int heads : {7, 16}) {
    for (int16_t scale_bits : {0, 2}) {  // 0 and 2^43
      MlaCase c = Fixed(heads, 512, 64, 150);
      for (int64_t t = 0; t < 192; ++t) {
        auto* codes = reinterpret_cast<int16_t*>(&c.cache[t * c.shape.TokenBytes()]);
        for (int i = 0; i < 576; ++i) codes[i] = (i + t) % 5 == 0 ? -32768 : 32767;
        for (int i = 512; i < 516; ++i)
          codes[i] = static_cast<int16_t>((codes[i] & ~3) | scale_bits);
      }
      std::fill(c.q_latent.begin(), c.q_latent.end(), 1e6f);
      std::fill(c.q_rope.begin(), c.q_rope.end(), 1e-9f);
      ExpectTheSameBits(c);
      for (float value : c.Attend(BestIsa())) ASSERT_TRUE(std::isfinite(value));
    }
  }
}

// Rotary parts of any size; each token has a scale of its own.
TEST(MlaInt16, RotaryPartsOfAnySize) {
  for (int heads : {5, 8, 16}) {
    for (int power : {-60, -20, 0, 30}) {
      MlaCase c = Fixed(heads, 32, 8, 300);
      for (int64_t t = 0; t < 320; ++t) {
        std::vector<float> values = RandomValues(8, static_cast<uint32_t>(t));
        for (float& value : values) value = std::ldexp(value, power - static_cast<int>(t % 7));
        EncodeInt16Rope(values.data(), 8, &c.cache[t * c.shape.TokenBytes() + 2 * 32]);
      }
      for (float& q : c.q_rope) q = std::ldexp(q, -power);
      ExpectTheSameBits(c);
      const Errors errors = AgainstTheOracle(c);
      EXPECT_LT(errors.rms, kRms) << heads << " heads, 2^" << power;
      EXPECT_LT(errors.most, kMost) << heads << " heads, 2^" << power;
    }
  }
}

// Keys along the query, where the sums are as large as they can be; one channel may have it all.
TEST(MlaInt16, TheLargestSumsFit) {
  for (int heads : {8, 16}) {
    for (const bool lonely : {false, true}) {
      MlaCase c = Fixed(heads, 512, 64, 70);
      std::vector<float> token(576);
      for (int i = 0; i < 576; ++i) token[i] = lonely && i % 512 != 5 ? 0.0f : 1.0f;
      if (lonely) token[5] = std::sqrt(512.0f);
      std::fill(c.gain.begin(), c.gain.end(), 1.0f);
      for (int64_t t = 0; t < 128; ++t) {
        // From 32700 steps down to half of it.
        const float rope = 32700.0f / (lonely ? 1 : 8) * (1 - static_cast<float>(t) / 256);
        for (int i = 512; i < 576; ++i) token[i] = lonely && i != 517 ? 0.0f : rope;
        MlaEncodeToken(c.shape, token.data(), &c.cache[t * c.shape.TokenBytes()]);
      }
      for (int h = 0; h < heads; ++h) {
        for (int i = 0; i < 512; ++i) c.q_latent[h * 512 + i] = token[i] * 0.001f;
        for (int i = 0; i < 64; ++i)
          c.q_rope[h * 66 + i] = (token[512 + i] != 0 ? 1.0f : 0.0f) * 1e-5f;
      }
      ExpectTheSameBits(c);
      EXPECT_LT(AgainstTheOracle(c).most, 8 * 64.0 / 64000);
      // What is large stays on top: the weights of tokens fall evenly, none is negative.
      const std::vector<float> out = c.Attend(BestIsa());
      EXPECT_NEAR(out[5], token[5], 1e-2f);
    }
  }
}

TEST(MlaInt16, TokensBeyondTheRowDoNotShow) {
  for (int heads : {8, 16}) {
    MlaCase c = Fixed(heads, 64, 4, 71);
    const std::vector<float> before = c.Attend(BestIsa());
    // Page 1 of the sequence is page 0 of the cache; its tokens 7.. lie behind the row. As a scale
    // these bytes are not a number.
    std::fill(&c.cache[7 * c.shape.TokenBytes()], &c.cache[64 * c.shape.TokenBytes()], 0xff);
    for (Isa isa : SupportedIsas()) EXPECT_TRUE(SameBits(c.Attend(isa), before)) << IsaName(isa);
  }
}

TEST(MlaInt16, AHeadDoesNotDependOnTheOthers) {
  for (int heads : {8, 20}) {
    MlaCase c = Fixed(heads, 32, 4, 150);
    const std::vector<float> before = c.Attend(BestIsa());
    for (size_t i = 32; i < c.q_latent.size(); ++i) c.q_latent[i] = 100.0f * static_cast<float>(i);
    const std::vector<float> after = c.Attend(BestIsa());
    EXPECT_TRUE(std::equal(before.begin(), before.begin() + 32, after.begin()));
  }
}

TEST(MlaInt16, ATokenIsOffByHalfAStep) {
  const MlaCacheShape shape{KvType::kInt16, 300, 20};
  EXPECT_EQ(shape.TokenBytes(), 2 * 320);
  EXPECT_EQ(shape.MixWidth(), 320);
  std::vector<float> values = RandomValues(320, 9), back(320), gained(320);
  const std::vector<float> gain = RandomValues(300, 10);
  const float most = std::sqrt(300.0f);
  values[3] = most;  // the largest that there can be
  values[4] = -most;
  values[5] = 3 * most;  // and what there cannot be
  values[6] = -INFINITY;
  values[7] = std::nanf("");
  std::vector<uint8_t> token(shape.TokenBytes());
  MlaEncodeToken(shape, values.data(), token.data());
  MlaDecodeToken(shape, token.data(), back.data());
  MlaDecodeToken(shape, token.data(), gained.data(), gain.data());
  const float step = MlaInt16Step(300);
  EXPECT_LT(step, most * 0x1p-14f);
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(gained[i], back[i] * gain[i]);
    if (i < 5 || i > 7) {
      EXPECT_LE(std::abs(back[i] - values[i]), step * 0.50001f + 1e-6f) << i;
    }
  }
  EXPECT_EQ(back[5], 32767 * step);
  EXPECT_EQ(back[6], -32767 * step);
  EXPECT_EQ(back[7], -32767 * step);
  const float scale = Int16RopeScale(&token[2 * 300]);
  EXPECT_LT(scale, 5.0f / 16350);  // the norm of 20 such values is about 4.5
  for (int i = 300; i < 320; ++i) {
    EXPECT_LE(std::abs(back[i] - values[i]), scale * (i < 304 ? 2 : 0.5f) * 1.001f);
    EXPECT_EQ(gained[i], back[i]);
  }
}

}  // namespace
}  // namespace conclave::kernels
