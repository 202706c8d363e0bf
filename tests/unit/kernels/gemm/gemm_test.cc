#include "kernels/gemm/gemm.h"

#include <gtest/gtest.h>

#include "tests/unit/kernels/gemm/gemm_operands.h"

namespace conclave::kernels {
namespace {

std::vector<float> Multiply(const PackedMatrix& m, const std::vector<float>& x, int rows, Isa isa,
                            int step) {
  std::vector<float> out(static_cast<size_t>(rows) * m.n, -1);
  GemmParams params{m, x.data(), out.data(), rows, m.k, m.n};
  QuantizedRows quantized(m, x, rows, isa);
  quantized.Use(&params);
  for (int panel = 0; panel < m.panels(); panel += step)
    GemmPanels(params, panel, std::min(panel + step, m.panels()), isa);
  return out;
}

TEST(Gemm, EveryInstructionSetGivesTheBitsOfTheOracle) {
  for (const auto& [n, k] : {std::pair{40, 40}, {16, 127}, {100, 128}, {73, 390}, {192, 256}}) {
    const std::vector<Stored> stored = AllTypes(n, k, n + k);
    for (const PackSpec& spec : Kinds(stored)) {
      const Packed packed(spec);
      for (int rows : {1, 3, 5, 8, 9, 23}) {
        const std::vector<float> x = RandomValues(rows * k, 7);
        std::vector<float> expected(rows * n);
        GemmParams params{packed.m, x.data(), expected.data(), rows, k, n};
        const QuantizedRows quantized(packed.m, x, rows, Isa::kPortable);
        quantized.Use(&params);
        GemmRef(params);
        for (Isa isa : SupportedIsas())
          EXPECT_TRUE(SameBits(Multiply(packed.m, x, rows, isa, 100), expected))
              << IsaName(isa) << " " << n << "x" << k << " type " << int(packed.m.type) << " rows "
              << rows;
      }
    }
  }
}

TEST(Gemm, ARowNeverDependsOnItsNeighboursOrOnHowPanelsAreShared) {
  const int n = 200, k = 384;
  const std::vector<Stored> stored = AllTypes(n, k, 3);
  for (const PackSpec& spec : Kinds(stored)) {
    const Packed packed(spec);
    const std::vector<float> x = RandomValues(128 * k, 11);
    for (Isa isa : SupportedIsas()) {
      if (isa == Isa::kPortable) continue;  // its blocking is that of AVX2, and it is slow
      const std::vector<float> all = Multiply(packed.m, x, 128, isa, 100);
      for (int rows : {1, 2, 3, 7, 16, 33, 128}) {
        for (int first : {0, 128 - rows}) {
          for (int step : {1, 3, 100}) {
            const std::vector<float> part(x.begin() + first * k, x.begin() + (first + rows) * k);
            const std::vector<float> expected(all.begin() + first * n,
                                              all.begin() + (first + rows) * n);
            EXPECT_TRUE(SameBits(Multiply(packed.m, part, rows, isa, step), expected))
                << rows << " rows from " << first;
          }
        }
      }
    }
  }
}

// Every e4m3 code, the irregular ones of the packed form among them, in every lane and group.
TEST(Gemm, EveryFp8CodeKeepsItsValue) {
  const int n = 64, k = 256;
  std::vector<uint8_t> data(n * k);
  for (int i = 0; i < n * k; ++i) {
    const uint8_t code = static_cast<uint8_t>(i * 37 + i / 256);
    data[i] = (code & 0x7f) == 0x7f ? 0 : code;
  }
  const std::vector<float> scales = {0.5f, 3.0f};
  const WeightSource source{WeightType::kFp8, n, k, data.data(),
                            reinterpret_cast<const uint8_t*>(scales.data())};
  const Packed packed({source, 0, n, false});
  for (Isa isa : SupportedIsas()) {
    for (int i = 0; i < k; ++i) {
      std::vector<float> x(k);
      x[i] = 1;
      const std::vector<float> out = Multiply(packed.m, x, 1, isa, 100);
      for (int o = 0; o < n; ++o)
        ASSERT_EQ(out[o], DecodeE4m3(data[o * k + i]) * scales[i / 128]) << IsaName(isa);
    }
  }
}

// Codes of every kind side by side, a last group that is not whole, and numbers of rows on both
// sides of every way through the GEMM.
TEST(Gemm, IrregularFp8CodesAreCorrectedForAnyNumberOfRows) {
  const int n = 96;
  for (int k : {256, 254}) {
    std::vector<uint8_t> data(n * k);
    for (int i = 0; i < n * k; ++i) {
      const uint8_t code = static_cast<uint8_t>(i * 37 + i / 256);
      data[i] = (code & 0x7f) == 0x7f ? 0 : code;
    }
    const std::vector<float> scales = {0.5f, 3.0f};
    const WeightSource source{WeightType::kFp8, n, k, data.data(),
                              reinterpret_cast<const uint8_t*>(scales.data())};
    const Packed packed({source, 0, n, false});
    for (int rows : {1, 4, 5, 6, 8, 9, 11, 23}) {
      const std::vector<float> x = RandomValues(rows * k, 41);
      std::vector<float> expected(rows * n);
      GemmRef({packed.m, x.data(), expected.data(), rows, k, n});
      for (Isa isa : SupportedIsas())
        EXPECT_TRUE(SameBits(Multiply(packed.m, x, rows, isa, 100), expected))
            << IsaName(isa) << " k " << k << " rows " << rows;
    }
  }
}

TEST(Gemm, RowsCanBeTakenInAnyOrder) {
  const int n = 96, k = 200;
  const std::vector<Stored> stored = AllTypes(n, k, 29);
  for (const PackSpec& spec : Kinds(stored)) {
    const Packed packed(spec);
    const std::vector<float> x = RandomValues(12 * k, 31);
    const std::vector<float> all = Multiply(packed.m, x, 12, BestIsa(), 100);
    const std::vector<uint32_t> order = {5, 5, 0, 11, 3, 7, 1, 2, 9, 10};
    std::vector<float> out(order.size() * n);
    GemmParams params{packed.m, x.data(), out.data(),  static_cast<int>(order.size()),
                      k,        n,        order.data()};
    const QuantizedRows quantized(packed.m, x, 12, BestIsa());
    quantized.Use(&params);
    GemmPanels(params, 0, packed.m.panels(), BestIsa());
    for (size_t r = 0; r < order.size(); ++r)
      for (int o = 0; o < n; ++o) ASSERT_EQ(out[r * n + o], all[order[r] * n + o]);
  }
}

TEST(Gemm, AgreesWithFloat64) {
  const int n = 48, k = 300, rows = 3;
  for (WeightType type : kTypes) {
    const Stored stored(type, n, k, 5);
    const Packed packed({stored.source, 0, n, false});
    const std::vector<float> x = RandomValues(rows * k, 13);
    const std::vector<float> out = Multiply(packed.m, x, rows, BestIsa(), 100);
    for (int r = 0; r < rows; ++r) {
      for (int i = 0; i < n; ++i) {
        double truth = 0;
        for (int j = 0; j < k; ++j)
          truth += static_cast<double>(x[r * k + j]) * stored.values[i * k + j];
        EXPECT_NEAR(out[r * n + i], truth, 1e-5);
      }
    }
  }
}

// A part of the rows, as it is and transposed, at every alignment of the scale blocks.
TEST(Pack, PartsAndTransposesMultiplyLikeTheOriginal) {
  const int64_t rows = 300, cols = 200;
  for (WeightType type : kTypes) {
    const Stored stored(type, rows, cols, 17);
    for (int64_t begin : {0, 32, 100, 128, 130, 176}) {
      const int64_t count = 96;
      for (bool transposed : {false, true}) {
        const Packed packed({stored.source, begin, count, transposed});
        const bool aligned = transposed ? begin % 128 % 4 == 0 : begin % 16 == 0;
        EXPECT_EQ(packed.m.type, type == WeightType::kFp8 && !aligned ? WeightType::kF32 : type);
        const std::vector<float> x = RandomValues(packed.m.k, 19);
        const std::vector<float> out = Multiply(packed.m, x, 1, BestIsa(), 100);
        for (int n = 0; n < packed.m.n; ++n) {
          double truth = 0;
          for (int k = 0; k < packed.m.k; ++k) {
            const int64_t row = begin + (transposed ? k : n), col = transposed ? n : k;
            truth += static_cast<double>(x[k]) * stored.values[row * cols + col];
          }
          ASSERT_NEAR(out[n], truth, 1e-5)
              << "begin " << begin << " transposed " << transposed << " n " << n;
        }
      }
    }
  }
}

TEST(Pack, RefusesCodesThatAreNotNumbers) {
  Stored stored(WeightType::kFp8, 32, 64, 23);
  stored.data[5 * 64 + 9] = 0xff;
  const PackSpec spec{stored.source, 0, 32, false};
  const PackedMatrix m = PlanPack(spec);
  std::vector<uint8_t> data(m.data_bytes());
  std::vector<float> scales(m.scale_count());
  std::vector<uint32_t> irregular(m.irregular_count());
  int64_t row = -1, col = -1;
  EXPECT_FALSE(Pack(spec, {data.data(), scales.data(), irregular.data()}, &row, &col));
  EXPECT_EQ(row, 5);
  EXPECT_EQ(col, 9);
}

// Integers know neither infinity nor what is no number.
TEST(Pack, RefusesToRequantiseWhatIsNotFinite) {
  for (float bad : {NAN, -INFINITY}) {
    Stored stored(WeightType::kBf16, 32, 300, 23);
    reinterpret_cast<uint16_t*>(stored.data.data())[6 * 300 + 259] = EncodeBf16(bad);
    for (bool int8 : {false, true}) {
      const PackSpec spec{stored.source, 2, 30, false, int8, !int8};
      const PackedMatrix m = PlanPack(spec);
      std::vector<uint8_t> data(m.data_bytes());
      std::vector<float> scales(m.scale_count());
      int64_t row = -1, col = -1;
      EXPECT_FALSE(Pack(spec, {data.data(), scales.data(), nullptr}, &row, &col));
      EXPECT_EQ(row, 6);
      EXPECT_EQ(col, 259);
    }
  }
}

}  // namespace
}  // namespace conclave::kernels
