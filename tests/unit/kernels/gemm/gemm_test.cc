#include "kernels/gemm/gemm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <memory>

#include "kernels/base/dtypes.h"
#include "kernels/quant/quant.h"
#include "tests/unit/kernels/random_values.h"

namespace conclave::kernels {
namespace {

// A matrix as in a checkpoint, and its values.
struct Stored {
  std::vector<uint8_t> data;
  std::vector<float> scales;
  std::vector<float> values;  // [rows, cols]
  WeightSource source;

  Stored(WeightType type, int64_t rows, int64_t cols, uint32_t seed)
      : values(RandomValues(rows * cols, seed, 0.1f)) {
    if (type == WeightType::kF32) {
      data.resize(values.size() * 4);
      std::memcpy(data.data(), values.data(), data.size());
    } else if (type == WeightType::kBf16) {
      RoundToBf16(values.data(), values.size());
      data.resize(values.size() * 2);
      EncodeBf16Row(values.data(), values.size(), reinterpret_cast<uint16_t*>(data.data()));
    } else {
      data.resize(values.size());
      scales.resize(((rows + 127) / 128) * ((cols + 127) / 128));
      QuantizeBlocks(values.data(), rows, cols, data.data(), scales.data());
      DequantizeBlocks(data.data(), scales.data(), rows, cols, values.data());
    }
    source = {type, rows, cols, data.data(), reinterpret_cast<const uint8_t*>(scales.data())};
  }
};

struct Packed {
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  PackedMatrix m;
  std::unique_ptr<uint8_t, Free> data;
  std::vector<float> scales;

  explicit Packed(const PackSpec& spec) : m(PlanPack(spec)), scales(m.scale_count()) {
    data.reset(static_cast<uint8_t*>(std::aligned_alloc(64, (m.data_bytes() + 63) / 64 * 64)));
    int64_t row, col;
    EXPECT_TRUE(Pack(spec, data.get(), scales.data(), &row, &col));
    m.data = data.get();
    m.scales = scales.data();
  }
};

std::vector<float> Multiply(const PackedMatrix& m, const std::vector<float>& x, int rows, Isa isa,
                            int step) {
  std::vector<float> out(static_cast<size_t>(rows) * m.n, -1);
  const GemmParams params{m, x.data(), out.data(), rows, m.k, m.n};
  for (int tile = 0; tile < m.tiles(); tile += step)
    GemmTiles(params, tile, std::min(tile + step, m.tiles()), isa);
  return out;
}

constexpr WeightType kTypes[] = {WeightType::kF32, WeightType::kBf16, WeightType::kFp8};

TEST(Gemm, EveryInstructionSetGivesTheBitsOfTheOracle) {
  for (WeightType type : kTypes) {
    for (const auto& [n, k] : {std::pair{40, 40}, {16, 127}, {100, 128}, {73, 390}}) {
      const Stored stored(type, n, k, n + k);
      const Packed packed({stored.source, 0, n, false});
      const int rows = 15;
      const std::vector<float> x = RandomValues(rows * k, 7);
      std::vector<float> expected(rows * n);
      GemmRef({packed.m, x.data(), expected.data(), rows, k, n});
      for (Isa isa : SupportedIsas())
        EXPECT_TRUE(SameBits(Multiply(packed.m, x, rows, isa, 100), expected))
            << IsaName(isa) << " " << n << "x" << k;
    }
  }
}

TEST(Gemm, ARowNeverDependsOnItsNeighboursOrOnHowTilesAreShared) {
  const int n = 200, k = 384;
  for (WeightType type : kTypes) {
    const Stored stored(type, n, k, 3);
    const Packed packed({stored.source, 0, n, false});
    const std::vector<float> x = RandomValues(128 * k, 11);
    const std::vector<float> all = Multiply(packed.m, x, 128, BestIsa(), 100);
    for (int rows : {1, 2, 3, 7, 16, 33, 128}) {
      for (int first : {0, 128 - rows}) {
        for (int step : {1, 3, 100}) {
          const std::vector<float> part(x.begin() + first * k, x.begin() + (first + rows) * k);
          const std::vector<float> expected(all.begin() + first * n,
                                            all.begin() + (first + rows) * n);
          EXPECT_TRUE(SameBits(Multiply(packed.m, part, rows, BestIsa(), step), expected))
              << rows << " rows from " << first;
        }
      }
    }
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
  int64_t row = -1, col = -1;
  EXPECT_FALSE(Pack(spec, data.data(), scales.data(), &row, &col));
  EXPECT_EQ(row, 5);
  EXPECT_EQ(col, 9);
}

}  // namespace
}  // namespace conclave::kernels
