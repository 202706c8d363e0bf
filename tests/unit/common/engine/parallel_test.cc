#include "common/engine/parallel.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/base/dtypes.h"
#include "kernels/quant/quantize_int16.h"
#include "kernels/quant/quantize_int8.h"
#include "tests/unit/common/engine/packed_linear.h"

namespace conclave {
namespace {

// Large enough to be shared among threads.
TEST(RunGemms, BitsDoNotDependOnThreadsOrRows) {
  const int n = 300, k = 512;
  const Linear linear =
      PackedLinear(n, k, kernels::WeightType::kF32, kernels::ActivationQuant::kNone, 1);
  const std::vector<float> x = RandomFloats(128 * k, 2);

  std::vector<float> expected(128 * n);
  kernels::GemmRef(DenseGemm(linear, x.data(), expected.data(), 128));
  for (int threads : {1, 2, 3}) {
    ThreadPool pool(threads, 0);
    for (int rows : {1, 2, 3, 7, 16, 33, 128}) {
      std::vector<float> out(rows * n), twice(rows * n);
      const kernels::GemmParams gemms[] = {DenseGemm(linear, x.data(), out.data(), rows),
                                           DenseGemm(linear, x.data(), twice.data(), rows)};
      RunGemms(pool, kernels::BestIsa(), gemms);
      EXPECT_EQ(out, std::vector<float>(expected.begin(), expected.begin() + rows * n))
          << rows << " rows, " << threads;
      EXPECT_EQ(twice, out);
    }
  }
}

using kernels::ActivationQuant;
using kernels::WeightType;

// The product of rows quantised one at a time by the oracles, without the engine's own route.
std::vector<float> Oracle(const kernels::GemmParams& g) {
  const int64_t k = g.w.k, blocks = g.w.k_blocks();
  std::vector<float> out(g.rows * g.w.n);
  for (int row = 0; row < g.rows; ++row) {
    const float* x = g.x + g.XRow(row) * g.x_stride;
    std::vector<int8_t> int8(blocks * kernels::kKBlock);
    std::vector<int16_t> int16(blocks * kernels::kKBlock);
    std::vector<uint8_t> e4m3(k);
    std::vector<float> scales(blocks), values(k);
    std::vector<int32_t> offsets(blocks);
    kernels::GemmParams one{.w = g.w,
                            .x = x,
                            .out = &out[int64_t{row} * g.w.n],
                            .rows = 1,
                            .x_stride = k,
                            .out_stride = g.w.n};
    if (g.w.activations == ActivationQuant::kInt8) {
      kernels::QuantizeInt8Ref({1, k, x, k, int8.data(), scales.data(), offsets.data()});
      one.x = nullptr;
      one.x_codes = int8.data();
      one.x_scales = scales.data();
      one.x_offsets = offsets.data();
    } else if (g.w.activations == ActivationQuant::kInt16) {
      kernels::QuantizeInt16Ref({1, k, x, k, int16.data(), scales.data()});
      one.x = nullptr;
      one.x_words = int16.data();
      one.x_scales = scales.data();
    } else if (g.w.activations == ActivationQuant::kFp8) {
      kernels::QuantizeRows(x, 1, k, kernels::ScaleRounding::kNone, e4m3.data(), scales.data());
      for (int64_t i = 0; i < k; ++i) values[i] = kernels::DecodeE4m3(e4m3[i]);
      one.x = values.data();
      one.x_scales = scales.data();
    }
    kernels::GemmRef(one);
  }
  return out;
}

// GEMMs of one call that share activations, in part or with other types, that read them with a
// stride, and that take a prefix of what another one takes: quantised on the way, they give what
// the oracle makes of the oracle's quantised rows.
TEST(RunGemms, QuantisesWhatTheWeightsAskFor) {
  struct Gemm {
    int n;
    WeightType stored;
    ActivationQuant quant;
    int rows, k, stride, offset;  // x begins `offset` values into the memory
  };
  constexpr WeightType kF32 = WeightType::kF32, kBf16 = WeightType::kBf16, kFp8 = WeightType::kFp8;
  constexpr auto kInt8 = ActivationQuant::kInt8, kE4m3 = ActivationQuant::kFp8,
                 kNone = ActivationQuant::kNone, kInt16 = ActivationQuant::kInt16;
  const Gemm cases[] = {
      {96, kBf16, kInt8, 3, 320, 320, 0},   {200, kBf16, kInt8, 37, 320, 320, 0},
      {64, kFp8, kE4m3, 37, 320, 320, 0},   {130, kF32, kInt8, 37, 320, 320, 0},
      {48, kFp8, kE4m3, 5, 320, 320, 0},    {48, kBf16, kNone, 9, 320, 320, 0},
      {64, kFp8, kNone, 9, 320, 320, 0},    {32, kBf16, kInt8, 12, 256, 320, 0},
      {32, kFp8, kInt8, 12, 200, 320, 0},   {32, kBf16, kInt8, 12, 320, 640, 0},
      {32, kBf16, kInt8, 6, 320, 320, 640}, {16, kFp8, kE4m3, 6, 132, 640, 64},
      {96, kFp8, kInt16, 37, 320, 320, 0},  {64, kBf16, kInt16, 5, 320, 320, 0},
  };
  const std::vector<float> x = RandomFloats(40 * 320, 3, 2);
  std::vector<Linear> weights;
  std::vector<std::vector<float>> expected;
  std::vector<kernels::GemmParams> gemms;
  for (const Gemm& c : cases) {
    weights.push_back(PackedLinear(c.n, c.k, c.stored, c.quant, 100 + c.n + c.rows));
    gemms.push_back({.w = weights.back().m,
                     .x = x.data() + c.offset,
                     .rows = c.rows,
                     .x_stride = c.stride,
                     .out_stride = c.n});
    expected.push_back(Oracle(gemms.back()));
  }
  for (int threads : {1, 2, 3}) {
    ThreadPool pool(threads, 0);
    for (int pass = 0; pass < 2; ++pass) {  // other orders share with others
      std::vector<std::vector<float>> out;
      for (size_t i = 0; i < gemms.size(); ++i) {
        out.emplace_back(expected[i].size());
        gemms[i].out = out.back().data();
      }
      std::vector<kernels::GemmParams> ordered = gemms;
      if (pass == 1) std::reverse(ordered.begin(), ordered.end());
      RunGemms(pool, kernels::BestIsa(), ordered);
      for (size_t i = 0; i < gemms.size(); ++i)
        EXPECT_EQ(out[i], expected[i]) << "GEMM " << i << ", " << threads << " threads";
    }
  }
}

// Rows read and written through an index, beyond the number of rows and more than once.
TEST(RunGemms, QuantisesRowsBehindAnIndex) {
  const uint32_t x_rows[] = {7, 0, 11, 7, 3}, out_rows[] = {2, 8, 0, 5, 4};
  const std::vector<float> x = RandomFloats(12 * 192, 4);
  ThreadPool pool(2, 0);
  for (const ActivationQuant quant :
       {ActivationQuant::kInt8, ActivationQuant::kFp8, ActivationQuant::kInt16}) {
    const Linear linear = PackedLinear(80, 192, WeightType::kFp8, quant, 5);
    std::vector<float> first(4 * 80), out(9 * 80, -1);
    // A GEMM of the same x that alone would quantise too few rows.
    kernels::GemmParams gemms[] = {DenseGemm(linear, x.data(), first.data(), 4),
                                   DenseGemm(linear, x.data(), out.data(), 5)};
    gemms[1].x_rows = x_rows;
    const std::vector<float> expected = Oracle(gemms[1]), expected_first = Oracle(gemms[0]);
    gemms[1].out_rows = out_rows;
    RunGemms(pool, kernels::BestIsa(), gemms);
    EXPECT_EQ(first, expected_first);
    std::vector<float> wanted(9 * 80, -1);
    for (int row = 0; row < 5; ++row)
      std::copy_n(&expected[row * 80], 80, &wanted[out_rows[row] * 80]);
    EXPECT_EQ(out, wanted);
  }
}

// What another call left behind is not taken for this call's rows.
TEST(RunGemms, QuantisesAnewInEveryCall) {
  const Linear linear = PackedLinear(64, 128, WeightType::kBf16, ActivationQuant::kInt8, 6);
  std::vector<float> x = RandomFloats(2 * 128, 7), out(2 * 64);
  ThreadPool pool(1, 0);
  for (int call = 0; call < 3; ++call) {
    const kernels::GemmParams gemm = DenseGemm(linear, x.data(), out.data(), 2);
    RunGemms(pool, kernels::BestIsa(), {&gemm, 1});
    EXPECT_EQ(out, Oracle(gemm)) << call;
    for (float& v : x) v *= -1.7f;
  }
}

TEST(RunGemms, NothingToDoIsFine) {
  ThreadPool pool(2, 0);
  RunGemms(pool, kernels::BestIsa(), {});
  const kernels::GemmParams empty;
  RunGemms(pool, kernels::BestIsa(), {&empty, 1});
}

}  // namespace
}  // namespace conclave
