#include "kernels/quant/quant.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/base/dtypes.h"
#include "tests/unit/kernels/random_values.h"

namespace conclave::kernels {
namespace {

TEST(Quant, BlocksComeBackWithinHalfAStep) {
  const int64_t rows = 140, cols = 200;
  std::vector<float> weights = RandomValues(rows * cols, 1);
  for (int64_t i = 0; i < 128 * cols; ++i)
    if (i % cols < 128) weights[i] = 0;  // an all-zero block
  std::vector<uint8_t> codes(rows * cols);
  std::vector<float> scales(4), back(rows * cols);
  QuantizeBlocks(weights.data(), rows, cols, codes.data(), scales.data());
  DequantizeBlocks(codes.data(), scales.data(), rows, cols, back.data());
  for (int64_t i = 0; i < rows * cols; ++i)
    EXPECT_NEAR(back[i], weights[i], std::abs(weights[i]) / 16 + 1e-4);
  EXPECT_EQ(back[0], 0.0f);
}

TEST(Quant, RowScalesArePowersOfTwoWhenAsked) {
  const std::vector<float> x = RandomValues(2 * 200, 1);
  std::vector<uint8_t> codes(400);
  std::vector<float> plain(4), rounded(4);
  QuantizeRows(x.data(), 2, 200, ScaleRounding::kNone, codes.data(), plain.data());
  QuantizeRows(x.data(), 2, 200, ScaleRounding::kPowerOfTwo, codes.data(), rounded.data());
  for (int i = 0; i < 4; ++i) {
    int exponent;
    EXPECT_EQ(std::frexp(rounded[i], &exponent), 0.5f);
    EXPECT_GE(rounded[i], plain[i]);
    EXPECT_LT(rounded[i], 2 * plain[i]);
  }
}

TEST(Bf16, EveryInstructionSetRoundsAlike) {
  std::vector<float> values = RandomValues(1000, 9, 100.0f);
  values[3] = std::numeric_limits<float>::infinity();
  values[4] = std::numeric_limits<float>::quiet_NaN();
  values[5] = -0.0f;
  std::vector<Bf16Rows> sets = {Bf16RowsPortable()};
  if (IsaSupported(Isa::kAvx2)) sets.push_back(Bf16RowsAvx2());
  if (IsaSupported(Isa::kAvx512)) sets.push_back(Bf16RowsAvx512());
  for (const Bf16Rows& rows : sets) {
    std::vector<float> rounded = values, decoded(values.size());
    std::vector<uint16_t> codes(values.size());
    rows.round(rounded.data(), rounded.size());
    rows.encode(values.data(), values.size(), codes.data());
    rows.decode(codes.data(), codes.size(), decoded.data());
    EXPECT_TRUE(SameBits(rounded, decoded));
    for (size_t i = 0; i < values.size(); ++i) EXPECT_EQ(codes[i], EncodeBf16(values[i])) << i;
  }
}

}  // namespace
}  // namespace conclave::kernels
