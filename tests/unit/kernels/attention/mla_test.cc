#include "kernels/attention/mla.h"

#include <gtest/gtest.h>

#include "kernels/quant/quant.h"
#include "tests/unit/kernels/random_values.h"

namespace conclave::kernels {
namespace {

// A cache of scattered pages and one block of queries.
struct Case {
  int latent, rope;
  int64_t tokens;
  bool bf16;
  std::vector<float> values;     // [pages * 64, width]
  std::vector<uint16_t> halves;  // the same in bf16
  std::vector<int32_t> pages;
  std::vector<float> q;

  Case(int latent, int rope, int64_t tokens, bool bf16)
      : latent(latent), rope(rope), tokens(tokens), bf16(bf16) {
    const int width = latent + rope, count = static_cast<int>((tokens + 63) / 64);
    values = RandomValues(static_cast<int64_t>(count) * 64 * width, 3);
    halves.resize(values.size());
    EncodeBf16Row(values.data(), values.size(), halves.data());
    for (int i = 0; i < count; ++i) pages.push_back(count - 1 - i);
    q = RandomValues(width * kMlaHeads, 5, 0.3f);
  }
  MlaSplitParams Params() const {
    const int64_t value_bytes = bf16 ? 2 : 4;
    return {.latent = latent,
            .rope = rope,
            .scale = 0.2f,
            .kv_bf16 = bf16,
            .kv = bf16 ? reinterpret_cast<const uint8_t*>(halves.data())
                       : reinterpret_cast<const uint8_t*>(values.data()),
            .page_stride = 64 * (latent + rope) * value_bytes,
            .pages = pages.data(),
            .token_end = tokens,
            .q = q.data()};
  }
  std::vector<float> Attend(Isa isa) const {
    const int splits = static_cast<int>((tokens + kMlaSplitTokens - 1) / kMlaSplitTokens);
    std::vector<float> scratch(64 * (latent + rope)), max(splits * kMlaHeads),
        sum(splits * kMlaHeads), mix(static_cast<size_t>(splits) * latent * kMlaHeads),
        out(kMlaHeads * latent);
    for (int split = 0; split < splits; ++split) {
      MlaSplitParams p = Params();
      p.token_begin = static_cast<int64_t>(split) * kMlaSplitTokens;
      p.token_end = std::min<int64_t>(tokens, p.token_begin + kMlaSplitTokens);
      p.page_scratch = scratch.data();
      p.max = &max[split * kMlaHeads];
      p.sum = &sum[split * kMlaHeads];
      p.mix = &mix[static_cast<size_t>(split) * latent * kMlaHeads];
      MlaSplit(p, isa);
    }
    MlaMerge({.splits = splits,
              .latent = latent,
              .max = max.data(),
              .sum = sum.data(),
              .mix = mix.data(),
              .out = out.data()});
    return out;
  }
};

TEST(Mla, AgreesWithTheOracleAndAllInstructionSetsAgreeInBits) {
  for (bool bf16 : {false, true}) {
    for (int64_t tokens : {1, 7, 63, 64, 65, 200, 1024, 1025, 2500}) {
      const Case c(20, 6, tokens, bf16);
      std::vector<float> expected(kMlaHeads * c.latent);
      MlaRef(c.Params(), expected.data());
      const std::vector<float> first = c.Attend(Isa::kPortable);
      for (size_t i = 0; i < first.size(); ++i)
        ASSERT_NEAR(first[i], expected[i], 2e-6) << tokens << " tokens";
      for (Isa isa : SupportedIsas())
        EXPECT_TRUE(SameBits(c.Attend(isa), first)) << IsaName(isa) << " " << tokens;
    }
  }
}

TEST(Mla, AHeadDoesNotDependOnTheOtherLanes) {
  Case c(16, 4, 150, false);
  const std::vector<float> before = c.Attend(BestIsa());
  for (int d = 0; d < 20; ++d)
    for (int h = 1; h < kMlaHeads; ++h) c.q[d * kMlaHeads + h] = 100.0f * h;
  const std::vector<float> after = c.Attend(BestIsa());
  EXPECT_EQ(std::vector<float>(before.begin(), before.begin() + 16),
            std::vector<float>(after.begin(), after.begin() + 16));
}

TEST(Mla, TokensBeyondTheRowAreNotRead) {
  Case c(16, 4, 70, false);
  const std::vector<float> before = c.Attend(BestIsa());
  // Page 1 of the sequence is page 0 of the cache; its tokens 6.. lie behind the row.
  for (int i = 6 * 20; i < 64 * 20; ++i) c.values[i] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(SameBits(c.Attend(BestIsa()), before));
}

}  // namespace
}  // namespace conclave::kernels
