#include "kernels/gemm/gemm_int8_tiles.h"

#include "tests/unit/kernels/gemm/gemm_operands.h"
#include "tests/unit/kernels/gemm/tile_model.h"

namespace conclave::kernels {
namespace {

using Gemm = void (*)(const GemmParams&, int, int);

// The plain registers, and the CPU's where it has them.
std::vector<Gemm> TileGemms() {
  std::vector<Gemm> gemms = {GemmInt8Tiles<ModelTileUnit>::Run};
  if (AmxInt8Supported()) gemms.push_back(GemmInt8Amx);
  return gemms;
}

Packed PackInt8(int n, int k) {
  const Stored stored(WeightType::kBf16, n, k, n + k);
  return Packed({stored.source, 0, n, false, true});
}

// out [rows, n], with the panels from `split` on in a second call.
std::vector<float> Product(Gemm gemm, GemmParams params, int rows, int split) {
  std::vector<float> out(static_cast<size_t>(rows) * params.w.n, -1);
  params.out = out.data();
  gemm(params, 0, split);
  gemm(params, split, params.w.panels());
  return out;
}

TEST(GemmInt8Tiles, GivesTheBitsOfTheOracle) {
  for (const auto& [n, k] : {std::pair{40, 40}, {16, 127}, {100, 128}, {73, 390}, {192, 256}}) {
    const Packed packed = PackInt8(n, k);
    for (int rows : {1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 23, 33, 34, 48, 49, 128}) {
      const std::vector<float> x = RandomValues(rows * k, 7);
      std::vector<float> expected(rows * n);
      GemmParams params{packed.m, x.data(), expected.data(), rows, k, n};
      const QuantizedRows quantized(packed.m, x, rows, Isa::kPortable);
      quantized.Use(&params);
      GemmRef(params);
      for (Gemm gemm : TileGemms())
        EXPECT_TRUE(SameBits(Product(gemm, params, rows, packed.m.panels() / 2), expected))
            << n << "x" << k << " rows " << rows;
    }
  }
}

TEST(GemmInt8Tiles, RowsCanBeTakenInAnyOrder) {
  const int n = 80, k = 200, rows = 21;
  const Packed packed = PackInt8(n, k);
  const std::vector<float> x = RandomValues(rows * k, 31);
  std::vector<uint32_t> from, to;
  for (uint32_t r = 0; r < rows; ++r) {
    from.push_back(r * 5 % 7);
    to.push_back((r * 8 + 3) % rows);
  }
  std::vector<float> expected(rows * n);
  GemmParams params{packed.m, x.data(), expected.data(), rows, k, n, from.data(), to.data()};
  const QuantizedRows quantized(packed.m, x, rows, Isa::kPortable);
  quantized.Use(&params);
  GemmRef(params);
  for (Gemm gemm : TileGemms())
    EXPECT_TRUE(SameBits(Product(gemm, params, rows, packed.m.panels()), expected));
}

// The largest sums: codes and weights at both ends of their range.
TEST(GemmInt8Tiles, ExtremeCodesKeepTheirSigns) {
  const int n = 16, k = 128, rows = 2;
  std::vector<float> values(n * k), x(rows * k);
  for (int i = 0; i < n * k; ++i) values[i] = (i / k) % 2 == 0 ? 1.0f : -1.0f;
  for (int i = 0; i < rows * k; ++i) x[i] = i / k == 0 ? 1.0f : -1.0f;
  const WeightSource source{WeightType::kF32, n, k, reinterpret_cast<const uint8_t*>(values.data()),
                            nullptr};
  const Packed packed({source, 0, n, false, true});
  GemmParams params{packed.m, x.data(), nullptr, rows, k, n};
  const QuantizedRows quantized(packed.m, x, rows, Isa::kPortable);
  quantized.Use(&params);
  for (Gemm gemm : TileGemms()) {
    const std::vector<float> out = Product(gemm, params, rows, 1);
    for (int r = 0; r < rows; ++r)
      for (int c = 0; c < n; ++c) EXPECT_NEAR(out[r * n + c], (r + c) % 2 == 0 ? 128 : -128, 1e-3);
  }
}

}  // namespace
}  // namespace conclave::kernels
