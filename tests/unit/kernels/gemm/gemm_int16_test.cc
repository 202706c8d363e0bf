// What is special to int16 sums; the order of operations and law 1 are gemm_test's.
#include <gtest/gtest.h>

#include <cmath>

#include "kernels/base/fp8_int16.h"
#include "tests/unit/kernels/gemm/gemm_operands.h"

namespace conclave::kernels {
namespace {

WeightSource SourceOf(const std::vector<uint8_t>& codes, const std::vector<float>& scales, int n,
                      int k) {
  return {WeightType::kFp8, n, k, codes.data(), reinterpret_cast<const uint8_t*>(scales.data())};
}

std::vector<float> Multiply(const PackedMatrix& m, const std::vector<float>& x, int rows, Isa isa) {
  std::vector<float> out(static_cast<size_t>(rows) * m.n, -1);
  GemmParams params{m, x.data(), out.data(), rows, m.k, m.n};
  const QuantizedRows quantized(m, x, rows, isa);
  quantized.Use(&params);
  GemmPanels(params, 0, m.panels(), isa);
  return out;
}

TEST(GemmInt16, EveryCodeHasItsValueInEveryLaneAndGroup) {
  const int n = 64, k = 256;
  std::vector<uint8_t> codes(n * k);
  for (int i = 0; i < n * k; ++i) {
    const uint8_t code = static_cast<uint8_t>(i * 37 + i / 256);
    codes[i] = (code & 0x7f) == 0x7f ? 0 : code;
  }
  const std::vector<float> scales = {0.5f, 4.0f};
  const Packed packed({SourceOf(codes, scales, n, k), 0, n, false, false, true});
  ASSERT_EQ(packed.m.type, WeightType::kFp8Int16);
  for (Isa isa : SupportedIsas()) {
    for (int rows : {1, 23}) {
      for (int i = 0; i < k; ++i) {
        std::vector<float> x(rows * k);
        x[(rows - 1) * k + i] = 1;  // a lonely 1 is kInt16Largest steps
        const std::vector<float> out = Multiply(packed.m, x, rows, isa);
        for (int o = 0; o < n; ++o) {
          const float units = std::nearbyint(DecodeE4m3(codes[o * k + i]) / kFp8Int16Unit);
          ASSERT_NEAR(out[(rows - 1) * n + o], units * kFp8Int16Unit * scales[i / 128],
                      std::abs(units) * scales[i / 128] * 1e-7)
              << IsaName(isa) << " " << o << " " << i;
          ASSERT_EQ(PackedValue(packed.m, o, i), units * kFp8Int16Unit * scales[i / 128]);
        }
      }
    }
  }
}

// The largest sums that there can be fit 32 bits: all weights 448 and the activations flat, or as
// flat as the largest value allows, with signs that never cancel.
TEST(GemmInt16, TheLargestSumsDoNotOverflow) {
  const int n = 16, k = 128;
  for (int ones : {1, 4, 5, 128}) {
    std::vector<uint8_t> codes(n * k);
    std::vector<float> x(k);
    for (int i = 0; i < k; ++i) {
      const bool negative = i % 3 == 0;
      x[i] = i < ones ? (negative ? -1.0f : 1.0f) : 0.0f;
      for (int o = 0; o < n; ++o) codes[o * k + i] = EncodeE4m3(negative ? -448.0f : 448.0f);
    }
    const std::vector<float> scales = {1.0f};
    const Packed packed({SourceOf(codes, scales, n, k), 0, n, false, false, true});
    for (Isa isa : SupportedIsas())
      for (float value : Multiply(packed.m, x, 1, isa))
        EXPECT_NEAR(value, 448.0f * ones, 448.0f * ones * 1e-3) << IsaName(isa) << " " << ones;
  }
}

// Off from the exact product by what quantised operands lack, which is small beside what bf16
// lacks.
class GemmInt16Of : public testing::TestWithParam<WeightType> {};
TEST_P(GemmInt16Of, IsCloserToFloat64ThanBf16Activations) {
  const int n = 64, k = 512, rows = 9;
  const Stored stored(GetParam(), n, k, 5);
  const Packed exact({stored.source, 0, n, false}),
      int16({stored.source, 0, n, false, false, true});
  const std::vector<float> x = RandomValues(rows * k, 13);
  std::vector<float> rounded = x;
  RoundToBf16(rounded.data(), rounded.size());
  const std::vector<float> ours = Multiply(int16.m, x, rows, BestIsa()),
                           bf16 = Multiply(exact.m, rounded, rows, BestIsa());
  double ours_off = 0, bf16_off = 0;
  for (int r = 0; r < rows; ++r) {
    for (int o = 0; o < n; ++o) {
      double truth = 0;
      for (int i = 0; i < k; ++i)
        truth += static_cast<double>(x[r * k + i]) * stored.values[o * k + i];
      ours_off += std::pow(ours[r * n + o] - truth, 2);
      bf16_off += std::pow(bf16[r * n + o] - truth, 2);
    }
  }
  EXPECT_LT(std::sqrt(ours_off / bf16_off), 0.25);
}
INSTANTIATE_TEST_SUITE_P(Weights, GemmInt16Of, testing::Values(WeightType::kFp8, WeightType::kBf16),
                         [](const auto& info) {
                           return info.param == WeightType::kFp8 ? "e4m3" : "bf16";
                         });

TEST(GemmInt16, Bf16WeightsAreWithinHalfAStepOfTheirBlock) {
  const int n = 40, k = 300;
  Stored stored(WeightType::kBf16, n, k, 9);
  uint16_t* stored_bf16 = reinterpret_cast<uint16_t*>(stored.data.data());
  for (int i = 0; i < 128; ++i) stored_bf16[7 * k + i] = 0, stored.values[7 * k + i] = 0;
  stored_bf16[9 * k + 130] = EncodeBf16(64.0f), stored.values[9 * k + 130] = 64.0f;
  const Packed packed({stored.source, 0, n, false, false, true});
  ASSERT_EQ(packed.m.type, WeightType::kInt16);
  for (int o = 0; o < n; ++o) {
    for (int begin = 0; begin < k; begin += 128) {
      float amax = 0;
      const int end = std::min(k, begin + 128);
      for (int i = begin; i < end; ++i) amax = std::max(amax, std::abs(stored.values[o * k + i]));
      for (int i = begin; i < end; ++i)
        EXPECT_NEAR(PackedValue(packed.m, o, i), stored.values[o * k + i],
                    amax / kFp8Int16Largest * 0.501f)
            << o << " " << i;
    }
  }
}

// Parts whose scale blocks and groups do not fall together keep the form that float32 takes.
TEST(GemmInt16, OtherPartsStayAsTheyAre) {
  const Stored stored(WeightType::kFp8, 300, 200, 17);
  const auto plan = [&](int64_t begin, bool transposed) {
    return PlanPack({stored.source, begin, 96, transposed, false, true});
  };
  EXPECT_EQ(plan(128, false).type, WeightType::kFp8Int16);
  EXPECT_EQ(plan(32, false).type, WeightType::kFp8Int16);
  EXPECT_EQ(plan(128, true).type, WeightType::kFp8Int16);
  EXPECT_EQ(plan(32, true).type, WeightType::kFp8);
  EXPECT_EQ(plan(32, true).activations, ActivationQuant::kNone);
  EXPECT_EQ(plan(130, false).type, WeightType::kF32);
  const Stored bf16(WeightType::kBf16, 32, 128, 3), f32(WeightType::kF32, 32, 128, 3);
  EXPECT_EQ(PlanPack({bf16.source, 0, 32, false, false, true}).type, WeightType::kInt16);
  EXPECT_EQ(PlanPack({bf16.source, 0, 32, true, false, true}).type, WeightType::kBf16);
  EXPECT_EQ(PlanPack({f32.source, 0, 32, false, false, true}).type, WeightType::kF32);
}

// Integers and the quantisation's few float32 steps: every machine has these bits.
TEST(GemmInt16, PinnedBits) {
  const int n = 64, k = 300, rows = 11;
  std::vector<uint8_t> codes(n * k);
  std::vector<float> x(rows * k);
  uint32_t seed = 7;
  const auto next = [&] { return (seed = seed * 1664525u + 1013904223u) >> 23; };
  for (uint8_t& code : codes) {
    code = static_cast<uint8_t>(next());
    if ((code & 0x7f) == 0x7f) code = 0;
  }
  for (float& value : x) value = (static_cast<float>(next()) - 256.0f) / 256.0f;
  const std::vector<float> scales = {0.25f, 3.0f, 0.125f};
  const Packed packed({SourceOf(codes, scales, n, k), 0, n, false, false, true});
  for (Isa isa : SupportedIsas()) {
    uint64_t digest = 0xcbf29ce484222325u;
    for (float value : Multiply(packed.m, x, rows, isa))
      digest = (digest ^ std::bit_cast<uint32_t>(value)) * 0x100000001b3u;
    // Another digest means another order of operations: see base/order.h.
    EXPECT_EQ(digest, 4815063484154079516u) << IsaName(isa);
  }
}

}  // namespace
}  // namespace conclave::kernels
