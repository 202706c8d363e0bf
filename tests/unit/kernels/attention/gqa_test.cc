#include "kernels/attention/gqa.h"

#include <gtest/gtest.h>

#include "kernels/quant/quant.h"
#include "tests/unit/kernels/random_values.h"

namespace conclave::kernels {
namespace {

constexpr int kKvHeads = 3, kHead = 1;  // heads in the cache, the one attended to

// A cache of scattered pages, and the queries of all rows from position 0 on.
struct Case {
  int dim, group;
  int64_t tokens;
  bool bf16;
  std::vector<float> values;     // [pages * 64, 2, kv heads, dim]
  std::vector<uint16_t> halves;  // the same in bf16
  std::vector<int32_t> pages;
  std::vector<float> q;  // [tokens, group, dim]

  Case(int dim, int group, int64_t tokens, bool bf16)
      : dim(dim), group(group), tokens(tokens), bf16(bf16) {
    const int count = static_cast<int>((tokens + 63) / 64);
    values = RandomValues(static_cast<int64_t>(count) * 64 * Width(), 3);
    for (int i = 0; i < count; ++i) pages.push_back(count - 1 - i);
    q = RandomValues(tokens * group * dim, 5, 0.7f);
    halves.resize(values.size());
    EncodeBf16Row(values.data(), values.size(), halves.data());
  }
  int Width() const { return 2 * kKvHeads * dim; }
  // Rows first .. first + rows - 1.
  GqaSplitParams Params(int64_t first, int rows) const {
    const int64_t bytes = bf16 ? 2 : 4;
    const uint8_t* cache = bf16 ? reinterpret_cast<const uint8_t*>(halves.data())
                                : reinterpret_cast<const uint8_t*>(values.data());
    return {.head_dim = dim,
            .group = group,
            .rows = rows,
            .scale = 0.3f,
            .kv_bf16 = bf16,
            .kv = cache + kHead * dim * bytes,
            .page_stride = 64 * Width() * bytes,
            .token_stride = Width() * bytes,
            .value_offset = kKvHeads * dim * bytes,
            .pages = pages.data(),
            .context = first + 1,
            .q = q.data() + first * group * dim,
            .q_stride = group * dim};
  }
  std::vector<float> Attend(int64_t first, int rows, Isa isa) const {
    const int queries = rows * group, width = GqaWidth(dim);
    const int splits = static_cast<int>(first / kGqaSplitTokens) + 1;
    std::vector<float> scratch(GqaScratchFloats(dim)), max(splits * queries), sum(splits * queries),
        mix(static_cast<size_t>(splits) * queries * width), out(queries * dim);
    for (int split = 0; split < splits; ++split) {
      GqaSplitParams p = Params(first, rows);
      p.token_begin = static_cast<int64_t>(split) * kGqaSplitTokens;
      p.scratch = scratch.data();
      p.max = &max[split * queries];
      p.sum = &sum[split * queries];
      p.mix = &mix[static_cast<size_t>(split) * queries * width];
      GqaSplit(p, isa);
    }
    GqaMerge({.splits = splits,
              .head_dim = dim,
              .group = group,
              .rows = rows,
              .max = max.data(),
              .sum = sum.data(),
              .mix = mix.data(),
              .out = out.data(),
              .out_stride = group * dim});
    return out;
  }
};

TEST(Gqa, AgreesWithTheOracleAndAllInstructionSetsAgreeInBits) {
  for (bool bf16 : {false, true}) {
    for (const auto& [dim, group] : {std::pair{16, 1}, {22, 3}, {64, 7}, {128, 4}, {80, 32}}) {
      for (int64_t tokens : {1, 7, 16, 63, 64, 65, 200, 1024, 1025, 2500}) {
        const Case c(dim, group, tokens, bf16);
        std::vector<float> expected(group * dim);
        GqaRef(c.Params(tokens - 1, 1), expected.data());
        const std::vector<float> first = c.Attend(tokens - 1, 1, Isa::kPortable);
        for (size_t i = 0; i < first.size(); ++i)
          ASSERT_NEAR(first[i], expected[i], 3e-6) << dim << " x " << group << ", " << tokens;
        for (Isa isa : SupportedIsas())
          ASSERT_TRUE(SameBits(c.Attend(tokens - 1, 1, isa), first)) << IsaName(isa) << tokens;
      }
    }
  }
}

// Rows computed together have the bits of rows computed alone.
TEST(Gqa, ARowDoesNotDependOnTheRowsBesideIt) {
  for (bool bf16 : {false, true}) {
    const Case c(32, 4, 1100, bf16);
    for (Isa isa : SupportedIsas()) {
      for (const auto& [first, rows] : {std::pair{0, 8}, {56, 8}, {60, 4}, {1020, 4}, {1025, 5}}) {
        const std::vector<float> together = c.Attend(first, rows, isa);
        std::vector<float> expected(together.size());
        GqaRef(c.Params(first, rows), expected.data());
        for (size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(together[i], expected[i], 3e-6);
        for (int row = 0; row < rows; ++row) {
          const std::vector<float> alone = c.Attend(first + row, 1, isa);
          ASSERT_TRUE(
              SameBits({together.begin() + row * 128, together.begin() + (row + 1) * 128}, alone))
              << IsaName(isa) << " row " << first + row;
        }
      }
    }
  }
}

TEST(Gqa, TokensBeyondTheRowsAndOtherHeadsAreNotRead) {
  Case c(16, 4, 70, false);
  const std::vector<float> before = c.Attend(64, 6, BestIsa());
  const int width = c.Width();
  for (int token = 0; token < 128; ++token) {
    for (int i = 0; i < width; ++i) {
      const int head = i / 16 % kKvHeads;
      // Page 1 of the sequence is page 0 of the cache; its tokens 6.. lie behind the last row.
      const bool behind = token < 64 && token >= 6;
      if (behind || head != kHead)
        c.values[token * width + i] = std::numeric_limits<float>::quiet_NaN();
    }
  }
  EXPECT_TRUE(SameBits(c.Attend(64, 6, BestIsa()), before));
  // A row does not even multiply the tokens of the rows behind it.
  for (int i = 0; i < width; ++i) c.values[3 * width + i] = std::numeric_limits<float>::infinity();
  const std::vector<float> after = c.Attend(64, 6, BestIsa());
  EXPECT_TRUE(
      SameBits({after.begin(), after.begin() + 3 * 64}, {before.begin(), before.begin() + 3 * 64}));
}

}  // namespace
}  // namespace conclave::kernels
