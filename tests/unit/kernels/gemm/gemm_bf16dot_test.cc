#include "kernels/gemm/gemm_bf16dot.h"

#include <cmath>

#include "tests/unit/kernels/gemm/gemm_operands.h"

namespace conclave::kernels {
namespace {

// The plain unit, and the CPU's where it has one.
std::vector<Isa> Units() {
  std::vector<Isa> units = {Isa::kPortable};
  if (Bf16DotSupported()) units.push_back(Isa::kAvx512);
  return units;
}

std::vector<Stored> PairTypes(int n, int k, uint32_t seed) {
  std::vector<Stored> stored;
  for (WeightType type : {WeightType::kBf16, WeightType::kFp8})
    stored.emplace_back(type, n, k, seed);
  return stored;
}

PackedMatrix Paired(const Packed& packed) {
  PackedMatrix m = packed.m;
  m.arithmetic = Arithmetic::kBf16Dot;
  return m;
}

std::vector<float> Bf16Values(int count, uint32_t seed) {
  std::vector<float> x = RandomValues(count, seed);
  RoundToBf16(x.data(), count);
  return x;
}

std::vector<float> Product(const PackedMatrix& m, const std::vector<float>& x, int rows, Isa isa,
                           int step = 100) {
  std::vector<float> out(static_cast<size_t>(rows) * m.n, -1);
  const GemmParams params{m, x.data(), out.data(), rows, m.k, m.n};
  for (int panel = 0; panel < m.panels(); panel += step)
    GemmPanels(params, panel, std::min(panel + step, m.panels()), isa);
  return out;
}

TEST(GemmBf16Dot, IsTheOracleUpToTheInstructionsRounding) {
  for (const auto& [n, k] : {std::pair{40, 40}, {16, 127}, {100, 128}, {73, 390}, {192, 256}}) {
    for (const Stored& stored : PairTypes(n, k, n + k)) {
      const Packed packed({stored.source, 0, n, false});
      const PackedMatrix m = Paired(packed);
      for (int rows : {1, 3, 6, 8, 9, 23, 50}) {
        const std::vector<float> x = Bf16Values(rows * k, 7);
        std::vector<float> expected(rows * n);
        GemmRef({m, x.data(), expected.data(), rows, k, n});
        EXPECT_TRUE(SameBits(Product(m, x, rows, Isa::kPortable), expected));
        for (Isa isa : Units()) {
          const std::vector<float> out = Product(m, x, rows, isa);
          for (int i = 0; i < rows * n; ++i) {
            double magnitude = 0;
            for (int j = 0; j < k; ++j)
              magnitude +=
                  std::fabs(static_cast<double>(x[i / n * k + j]) * stored.values[i % n * k + j]);
            ASSERT_NEAR(out[i], expected[i], 1e-5 * magnitude) << n << "x" << k << " at " << i;
          }
        }
      }
    }
  }
}

TEST(GemmBf16Dot, ARowNeverDependsOnItsNeighboursOrOnHowPanelsAreShared) {
  const int n = 200, k = 384;
  for (const Stored& stored : PairTypes(n, k, 3)) {
    const Packed packed({stored.source, 0, n, false});
    const PackedMatrix m = Paired(packed);
    const std::vector<float> x = Bf16Values(128 * k, 11);
    for (Isa isa : Units()) {
      const std::vector<float> all = Product(m, x, 128, isa);
      for (int rows : {1, 2, 3, 7, 16, 33, 128}) {
        for (int first : {0, 128 - rows}) {
          for (int step : {1, 3}) {
            if (isa == Isa::kPortable && rows > 16) continue;  // slow
            const std::vector<float> part(x.begin() + first * k, x.begin() + (first + rows) * k);
            const std::vector<float> expected(all.begin() + first * n,
                                              all.begin() + (first + rows) * n);
            EXPECT_TRUE(SameBits(Product(m, part, rows, isa, step), expected))
                << rows << " rows from " << first;
          }
        }
      }
    }
  }
}

// Every e4m3 code, the irregular ones among them, with few rows (decoded in registers) and many.
TEST(GemmBf16Dot, EveryFp8CodeKeepsItsValue) {
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
  for (Isa isa : Units()) {
    for (int rows : {1, 32}) {
      for (int first = 0; first < k; first += rows) {
        std::vector<float> x(rows * k);
        for (int r = 0; r < rows; ++r) x[r * k + first + r] = 1;
        const std::vector<float> out = Product(Paired(packed), x, rows, isa);
        for (int r = 0; r < rows; ++r)
          for (int o = 0; o < n; ++o)
            ASSERT_EQ(out[r * n + o],
                      DecodeE4m3(data[o * k + first + r]) * scales[(first + r) / 128]);
      }
    }
  }
}

// Parts whose scale blocks do not begin with the row, rows taken in any order, channels that do not
// fill a vector.
TEST(GemmBf16Dot, PartsAndGatheredRowsMultiplyLikeTheOracle) {
  const Stored stored(WeightType::kFp8, 300, 200, 17);
  for (bool transposed : {false, true}) {
    const Packed packed({stored.source, 176, 100, transposed});
    const PackedMatrix m = Paired(packed);
    ASSERT_EQ(m.type, WeightType::kFp8);
    const std::vector<float> x = Bf16Values(12 * m.k, 19);
    const std::vector<uint32_t> from = {5, 5, 0, 11, 3, 7, 1, 2, 9, 10, 4};
    const std::vector<uint32_t> to = {10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0};
    const int rows = static_cast<int>(from.size());
    std::vector<float> expected(rows * m.n), out(rows * m.n);
    GemmParams params{m, x.data(), expected.data(), rows, m.k, m.n, from.data(), to.data()};
    GemmRef(params);
    params.out = out.data();
    GemmPanels(params, 0, m.panels(), Isa::kPortable);
    EXPECT_TRUE(SameBits(out, expected));
    if (!Bf16DotSupported()) continue;
    GemmPanels(params, 0, m.panels(), Isa::kAvx512);
    for (int i = 0; i < rows * m.n; ++i) ASSERT_NEAR(out[i], expected[i], 1e-5) << i;
  }
}

TEST(GemmBf16Dot, PreferredOnlyWhereItExists) {
  EXPECT_TRUE(PreferredArithmetic() == Arithmetic::kFma || Bf16DotSupported());
  if (!Bf16DotSupported()) GTEST_SKIP() << "no AVX-512 BF16 here";
  EXPECT_EQ(Bf16DotProbe(), Bf16DotProbe());
}

}  // namespace
}  // namespace conclave::kernels
