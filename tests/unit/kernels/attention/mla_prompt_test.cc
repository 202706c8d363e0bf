#include "kernels/attention/mla_prompt.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/unit/kernels/random_values.h"

namespace conclave::kernels {
namespace {

// One head's keys and values, and the queries of rows at positions 0 ..
struct Case {
  int width, channels, tokens;
  int64_t stride;
  std::vector<float> kv, q;

  Case(int width, int channels, int tokens)
      : width(width),
        channels(channels),
        tokens(tokens),
        stride(MlaPromptStride(width, channels)),
        kv(RandomValues(tokens * stride, 1)),
        q(RandomValues(static_cast<int64_t>(tokens) * (width + 3), 2, 0.4f)) {}

  // Rows [begin, end), tokens in pieces.
  std::vector<float> Attend(Isa isa, int begin, int end, int piece) const {
    const int rows = end - begin, lanes = (rows + 15) / 16 * 16;
    std::vector<float> packed(static_cast<size_t>(lanes) * width), max(lanes), sum(lanes),
        out(static_cast<size_t>(rows) * channels);
    MlaPackPromptQuery({.q = &q[static_cast<size_t>(begin) * (width + 3)],
                        .row_stride = width + 3,
                        .rows = rows,
                        .width = width,
                        .scale = 0.3f,
                        .out = packed.data()});
    MlaPromptParams p{.stride = stride,
                      .width = width,
                      .channels = channels,
                      .q = packed.data(),
                      .rows = rows,
                      .position = begin,
                      .max = max.data(),
                      .sum = sum.data(),
                      .mix = out.data(),
                      .mix_stride = channels};
    for (int from = 0; from < end; from += piece) {
      p.kv = &kv[from * stride];
      p.token_begin = from;
      p.tokens = std::min(piece, end - from);
      MlaPrompt(p, isa);
    }
    MlaPromptFinish(p);
    return out;
  }

  float Expected(int row, int channel) const {
    double max = -INFINITY, sum = 0, mix = 0;
    std::vector<double> scores(row + 1);
    for (int t = 0; t <= row; ++t) {
      for (int d = 0; d < width; ++d)
        scores[t] +=
            static_cast<double>(kv[t * stride + d]) * q[static_cast<size_t>(row) * (width + 3) + d];
      max = std::max(max, scores[t] *= 0.3f);
    }
    for (int t = 0; t <= row; ++t) {
      const double weight = std::exp(scores[t] - max);
      sum += weight;
      mix += weight * kv[t * stride + width + channel];
    }
    return static_cast<float>(mix / sum);
  }
};

TEST(MlaPrompt, AgreesWithTheOracleAndAllInstructionSetsAgreeInBits) {
  for (const auto& [width, channels, tokens] :
       {std::tuple{6, 4, 5}, std::tuple{24, 20, 150}, std::tuple{192, 128, 200}}) {
    const Case c(width, channels, tokens);
    const std::vector<float> first = c.Attend(Isa::kPortable, 0, tokens, 256);
    for (int row = 0; row < tokens; ++row)
      for (int channel = 0; channel < channels; ++channel)
        ASSERT_NEAR(first[row * channels + channel], c.Expected(row, channel), 3e-6) << row;
    for (Isa isa : SupportedIsas())
      EXPECT_TRUE(SameBits(c.Attend(isa, 0, tokens, 256), first)) << IsaName(isa);
  }
}

// However rows are cut into chunks and tokens into pieces.
TEST(MlaPrompt, ARowDependsOnItsPositionAlone) {
  const Case c(48, 40, 300);
  const std::vector<float> whole = c.Attend(BestIsa(), 0, 300, 512);
  for (int chunk : {1, 7, 16, 33, 64, 100}) {
    for (int piece : {64, 128}) {
      std::vector<float> joined;
      for (int begin = 0; begin < 300; begin += chunk) {
        const auto part = c.Attend(BestIsa(), begin, std::min(300, begin + chunk), piece);
        joined.insert(joined.end(), part.begin(), part.end());
      }
      EXPECT_TRUE(SameBits(joined, whole)) << chunk << " rows, " << piece << " tokens";
    }
  }
}

TEST(MlaPrompt, PagesAreDecodedInOrder) {
  for (KvType type : {KvType::kF32, KvType::kBf16, KvType::kFp8, KvType::kInt16}) {
    const MlaCacheShape shape{type, 160, 40};
    const std::vector<float> values = RandomValues(9 * 200, 4), gain = RandomValues(160, 5);
    std::vector<uint8_t> page(9 * shape.TokenBytes());
    std::vector<float> expected(9 * 200);
    for (int t = 0; t < 9; ++t) {
      uint8_t* token = &page[t * shape.TokenBytes()];
      MlaEncodeToken(shape, &values[t * 200], token);
      MlaDecodeToken(shape, token, &expected[t * 200], gain.data());
    }
    for (Isa isa : SupportedIsas()) {
      std::vector<float> out(9 * 210, -1.0f);
      MlaDecodePage({.shape = shape,
                     .page = page.data(),
                     .tokens = 9,
                     .gain = gain.data(),
                     .out = out.data(),
                     .out_stride = 210},
                    isa);
      for (int t = 0; t < 9; ++t) {
        EXPECT_TRUE(std::equal(&expected[t * 200], &expected[t * 200] + 200, &out[t * 210]));
        EXPECT_EQ(out[t * 210 + 200], -1.0f);
      }
    }
  }
}

}  // namespace
}  // namespace conclave::kernels
