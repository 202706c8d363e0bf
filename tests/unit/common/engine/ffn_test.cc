#include "common/engine/ffn.h"

#include <gtest/gtest.h>

#include <string>

#include "kernels/base/dtypes.h"
#include "kernels/moe/swiglu.h"
#include "kernels/quant/quantize_int16.h"
#include "kernels/quant/quantize_int8.h"
#include "tests/unit/common/engine/packed_linear.h"

namespace conclave {
namespace {

using kernels::ActivationQuant;
using kernels::WeightType;

constexpr int kHidden = 320, kInner = 200;  // neither is whole quantisation blocks

struct Form {
  const char* name;
  ComputeMode mode;
  WeightType stored;
  ActivationQuant quant;
};
constexpr Form kForms[] = {
    {"f32", ComputeMode::kF32, WeightType::kF32, ActivationQuant::kNone},
    {"f32_of_e4m3", ComputeMode::kF32, WeightType::kFp8, ActivationQuant::kNone},
    {"bf16", ComputeMode::kBF16, WeightType::kBf16, ActivationQuant::kNone},
    {"bf16_of_e4m3", ComputeMode::kBF16, WeightType::kFp8, ActivationQuant::kNone},
    {"int16_of_bf16", ComputeMode::kBF16, WeightType::kBf16, ActivationQuant::kInt16},
    {"int16_of_e4m3", ComputeMode::kBF16, WeightType::kFp8, ActivationQuant::kInt16},
    {"int8", ComputeMode::kInt8, WeightType::kBf16, ActivationQuant::kInt8},
    {"int8_of_e4m3", ComputeMode::kInt8, WeightType::kFp8, ActivationQuant::kInt8},
    {"w8a8", ComputeMode::kW8A8, WeightType::kFp8, ActivationQuant::kFp8},
    {"w8a8_of_bf16", ComputeMode::kW8A8, WeightType::kBf16, ActivationQuant::kNone}};

class FfnRows : public testing::TestWithParam<Form> {
 protected:
  FfnWeights Weights(uint32_t seed) const {
    const Form& f = GetParam();
    return {PackedLinear(kInner, kHidden, f.stored, f.quant, seed),
            PackedLinear(kInner, kHidden, f.stored, f.quant, seed + 1),
            PackedLinear(kHidden, kInner, f.stored, f.quant, seed + 2)};
  }
  std::vector<float> Operands(int rows) const {
    std::vector<float> x = RandomFloats(int64_t{rows} * kHidden, 50, 2);
    if (UsesBf16(GetParam().mode)) kernels::RoundToBf16(x.data(), rows * kHidden);
    return x;
  }
  // One row, alone.
  std::vector<float> Alone(const FfnWeights& weights, const float* x) const {
    FfnRunner runner;
    ThreadPool pool(1, 0);
    std::vector<float> out(kHidden);
    const FfnGroup group{.weights = &weights, .rows = 1};
    runner.Run({x, 1, out.data()}, {&group, 1}, GetParam().mode, kernels::BestIsa(), pool);
    return out;
  }
};

// One projection of one row by the oracles.
std::vector<float> Project(const Linear& w, const std::vector<float>& x) {
  const int64_t k = w.m.k, blocks = w.m.k_blocks();
  std::vector<float> out(w.m.n), scales(blocks), values(x);
  std::vector<int8_t> int8(blocks * kernels::kKBlock);
  std::vector<int16_t> int16(blocks * kernels::kKBlock);
  std::vector<int32_t> offsets(blocks);
  kernels::GemmParams g = DenseGemm(w, values.data(), out.data(), 1);
  if (w.m.activations == ActivationQuant::kInt8) {
    kernels::QuantizeInt8Ref({1, k, x.data(), k, int8.data(), scales.data(), offsets.data()});
    g.x_codes = int8.data();
    g.x_scales = scales.data();
    g.x_offsets = offsets.data();
  } else if (w.m.activations == ActivationQuant::kInt16) {
    kernels::QuantizeInt16Ref({1, k, x.data(), k, int16.data(), scales.data()});
    g.x_words = int16.data();
    g.x_scales = scales.data();
  } else if (w.m.activations == ActivationQuant::kFp8) {
    std::vector<uint8_t> codes(k);
    kernels::QuantizeRows(x.data(), 1, k, kernels::ScaleRounding::kNone, codes.data(),
                          scales.data());
    for (int64_t i = 0; i < k; ++i) values[i] = kernels::DecodeE4m3(codes[i]);
    g.x_scales = scales.data();
  }
  kernels::GemmRef(g);
  return out;
}

// The parts put together by hand give the same bits: each is quantised where it should be.
TEST_P(FfnRows, OneRowIsItsThreeProjections) {
  const FfnWeights weights = Weights(10);
  const std::vector<float> x = Operands(1);
  std::vector<float> gate = Project(weights.gate, x);
  const std::vector<float> up = Project(weights.up, x);
  kernels::SwiGlu({.gate = gate.data(),
                   .up = up.data(),
                   .out = gate.data(),
                   .count = kInner,
                   .round_bf16 = UsesBf16(GetParam().mode)},
                  kernels::BestIsa());
  EXPECT_EQ(Alone(weights, x.data()), Project(weights.down, gate));
}

// Groups of every size, rows picked by several groups, twice by one, or by none; answers anywhere.
TEST_P(FfnRows, GroupedRowsEqualRowsAlone) {
  constexpr int kRows = 40, kGroups = 4, kAnswers = 70;
  std::vector<FfnWeights> weights;
  for (int i = 0; i < kGroups; ++i) weights.push_back(Weights(20 + 10 * i));
  const std::vector<float> x = Operands(kRows);
  const std::vector<std::vector<uint32_t>> picks = {{39}, {0, 5, 5, 17}, {38, 3, 5}, [] {
                                                      std::vector<uint32_t> all;
                                                      for (uint32_t i = 0; i < 37; ++i)
                                                        all.push_back(i * 11 % kRows);
                                                      return all;
                                                    }()};
  std::vector<std::vector<uint32_t>> places;
  std::vector<float> expected(kAnswers * kHidden, -1);
  uint32_t place = 0;
  for (int g = 0; g < kGroups; ++g) {
    places.emplace_back();
    for (const uint32_t row : picks[g]) {
      place = (place + 29) % kAnswers;
      places[g].push_back(place);
      const std::vector<float> alone = Alone(weights[g], &x[row * kHidden]);
      std::copy(alone.begin(), alone.end(), &expected[place * kHidden]);
    }
  }
  FfnRunner runner;  // keeps its memory from one call to the next
  for (int threads : {1, 2, 3}) {
    ThreadPool pool(threads, 0);
    for (int count : {kGroups, 1, kGroups}) {
      std::vector<FfnGroup> groups;
      for (int g = 0; g < count; ++g)
        groups.push_back(
            {&weights[g], picks[g].data(), places[g].data(), static_cast<int>(picks[g].size())});
      std::vector<float> out(kAnswers * kHidden, -1);
      runner.Run({x.data(), kRows, out.data()}, groups, GetParam().mode, kernels::BestIsa(), pool);
      if (count == kGroups) {
        EXPECT_EQ(out, expected) << threads << " threads";
      } else {
        const auto first = expected.begin() + places[0][0] * kHidden;
        EXPECT_TRUE(std::equal(first, first + kHidden, &out[places[0][0] * kHidden]));
      }
    }
  }
}

// Without indices: rows in their places, as the dense MLP and the shared expert run.
TEST_P(FfnRows, DenseRowsEqualRowsAlone) {
  constexpr int kRows = 33;
  const FfnWeights weights = Weights(90);
  const std::vector<float> x = Operands(kRows);
  std::vector<float> out(kRows * kHidden), expected;
  for (int row = 0; row < kRows; ++row) {
    const std::vector<float> alone = Alone(weights, &x[row * kHidden]);
    expected.insert(expected.end(), alone.begin(), alone.end());
  }
  FfnRunner runner;
  ThreadPool pool(2, 0);
  const FfnGroup group{.weights = &weights, .rows = kRows};
  runner.Run({x.data(), kRows, out.data()}, {&group, 1}, GetParam().mode, kernels::BestIsa(), pool);
  EXPECT_EQ(out, expected);
}

// Experts of one layer whose weights are stored in different types.
TEST(FfnMixed, EveryExpertGetsTheActivationsThatItsWeightsAskFor) {
  const auto linear = [](int n, int k, WeightType type, uint32_t seed) {
    return PackedLinear(n, k, type,
                        type == WeightType::kFp8 ? ActivationQuant::kFp8 : ActivationQuant::kNone,
                        seed);
  };
  const auto ffn = [&](WeightType gate, WeightType up, WeightType down, uint32_t seed) {
    return FfnWeights{linear(kInner, kHidden, gate, seed), linear(kInner, kHidden, up, seed + 1),
                      linear(kHidden, kInner, down, seed + 2)};
  };
  const WeightType fp8 = WeightType::kFp8, bf16 = WeightType::kBf16;
  const FfnWeights experts[] = {ffn(fp8, fp8, fp8, 1), ffn(bf16, bf16, bf16, 4),
                                ffn(fp8, bf16, fp8, 7), ffn(bf16, fp8, bf16, 10)};
  std::vector<float> x = RandomFloats(kHidden, 13, 2);
  kernels::RoundToBf16(x.data(), kHidden);
  const auto run = [&](std::span<const FfnGroup> groups, float* out) {
    FfnRunner runner;
    ThreadPool pool(2, 0);
    runner.Run({x.data(), 1, out}, groups, ComputeMode::kW8A8, kernels::BestIsa(), pool);
  };
  const uint32_t zero = 0, places[] = {0, 1, 2, 3};
  std::vector<FfnGroup> groups;
  for (int e = 0; e < 4; ++e) {
    groups.push_back({.weights = &experts[e], .x_rows = &zero, .out_rows = &places[e], .rows = 1});
  }
  std::vector<float> together(4 * kHidden);
  run(groups, together.data());
  for (int e = 0; e < 4; ++e) {
    std::vector<float> alone(kHidden);
    const FfnGroup group{.weights = &experts[e], .rows = 1};
    run({&group, 1}, alone.data());
    const std::vector<float> part(together.begin() + e * kHidden,
                                  together.begin() + (e + 1) * kHidden);
    EXPECT_EQ(part, alone) << e;
  }
  EXPECT_NE(std::vector<float>(together.begin() + 2 * kHidden, together.begin() + 3 * kHidden),
            std::vector<float>(together.begin() + 3 * kHidden, together.end()));
}

INSTANTIATE_TEST_SUITE_P(All, FfnRows, testing::ValuesIn(kForms),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace conclave
