#include "kernels/quant/quantize_int8.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/kernels/random_values.h"

namespace conclave::kernels {
namespace {

struct Result {
  std::vector<int8_t> codes;
  std::vector<float> scales;
  std::vector<int32_t> offsets;
  bool operator==(const Result&) const = default;
};

template <class F>
Result Quantize(const std::vector<float>& x, int64_t rows, int64_t cols, F f) {
  const int64_t blocks = rows * ((cols + 127) / 128);
  Result r{std::vector<int8_t>(blocks * 128, 77), std::vector<float>(blocks),
           std::vector<int32_t>(blocks)};
  f(QuantizeInt8Params{.rows = rows,
                       .cols = cols,
                       .x = x.data(),
                       .x_stride = cols,
                       .codes = r.codes.data(),
                       .scales = r.scales.data(),
                       .offsets = r.offsets.data()});
  return r;
}

TEST(QuantizeInt8, EveryInstructionSetEqualsTheOracle) {
  for (int64_t cols : {128, 100, 300}) {
    std::vector<float> x = RandomValues(5 * cols, 3, 2.0f);
    for (int64_t i = 0; i < cols; ++i) x[2 * cols + i] = 0;  // a row of zeros
    x[3 * cols] = 1e-38f;
    const Result expected = Quantize(x, 5, cols, QuantizeInt8Ref);
    for (Isa isa : SupportedIsas())
      EXPECT_TRUE(Quantize(x, 5, cols, [&](const auto& p) { QuantizeInt8(p, isa); }) == expected)
          << IsaName(isa) << " " << cols;
  }
}

TEST(QuantizeInt8, CodesAreWithinHalfAStepAndUseTheWholeRange) {
  const std::vector<float> x = RandomValues(256, 5);
  const Result r = Quantize(x, 1, 256, QuantizeInt8Ref);
  for (int block = 0; block < 2; ++block) {
    int largest = 0, sum = 0;
    for (int i = block * 128; i < block * 128 + 128; ++i) {
      EXPECT_LE(std::abs(r.codes[i] * r.scales[block] - x[i]), r.scales[block] * 0.5001f);
      largest = std::max(largest, std::abs(int{r.codes[i]}));
      sum += r.codes[i];
    }
    EXPECT_EQ(largest, 127);
    EXPECT_EQ(r.offsets[block], -128 * sum);
  }
}

}  // namespace
}  // namespace conclave::kernels
