// Number formats, quantisation, routers and rotary tables against values computed by others.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>

#include "common/model/checkpoint.h"
#include "kernels/base/dtypes.h"
#include "kernels/gemm/gemm.h"
#include "kernels/moe/route.h"
#include "kernels/quant/quant.h"
#include "kernels/rope/rope.h"

namespace conclave::kernels {
namespace {

class Units : public testing::Test {
 protected:
  std::unique_ptr<Checkpoint> file_ = *Checkpoint::OpenFile(
      std::string(std::getenv("CONCLAVE_SOURCE_DIR")) + "/tests/golden/units/golden.safetensors");

  template <typename T>
  std::vector<T> Read(const std::string& name) {
    const auto view = file_->Get(name);
    EXPECT_TRUE(view.ok()) << view.status();
    std::vector<T> values(view->bytes / sizeof(T));
    std::memcpy(values.data(), view->data, view->bytes);
    return values;
  }
  int64_t Dim(const std::string& name, int i) { return file_->Get(name)->shape[i]; }
};

TEST_F(Units, E4m3) {
  const auto table = Read<float>("e4m3.decode_table");
  for (int code = 0; code < 256; ++code) {
    const float value = DecodeE4m3(static_cast<uint8_t>(code));
    if (std::isnan(table[code])) {
      EXPECT_TRUE(std::isnan(value)) << code;
    } else {
      EXPECT_EQ(std::bit_cast<uint32_t>(value), std::bit_cast<uint32_t>(table[code])) << code;
    }
  }
  const auto in = Read<float>("e4m3.encode_in");
  const auto saturated = Read<uint8_t>("e4m3.encode_saturate"),
             strict = Read<uint8_t>("e4m3.encode_nosat");
  for (size_t i = 0; i < in.size(); ++i) {
    EXPECT_EQ(EncodeE4m3(in[i]), saturated[i]) << in[i];
    EXPECT_EQ(EncodeE4m3(in[i], E4m3Overflow::kNan), strict[i]) << in[i];
  }
}

TEST_F(Units, Bf16) {
  const auto in = Read<float>("bf16.encode_in");
  const auto out = Read<int32_t>("bf16.encode_out_u16_as_i32");
  for (size_t i = 0; i < in.size(); ++i)
    EXPECT_EQ(EncodeBf16(in[i]), static_cast<uint16_t>(out[i])) << in[i];
}

TEST_F(Units, WeightQuantisation) {
  const auto in = Read<float>("wq.in"), scales = Read<float>("wq.scale_inv"),
             dequantised = Read<float>("wq.dequant");
  const auto codes = Read<uint8_t>("wq.q");
  const int64_t rows = Dim("wq.in", 0), cols = Dim("wq.in", 1);
  std::vector<uint8_t> our_codes(codes.size());
  std::vector<float> our_scales(scales.size()), back(in.size());
  QuantizeBlocks(in.data(), rows, cols, our_codes.data(), our_scales.data());
  EXPECT_EQ(our_codes, codes);
  for (size_t i = 0; i < scales.size(); ++i) EXPECT_FLOAT_EQ(our_scales[i], scales[i]);
  DequantizeBlocks(codes.data(), scales.data(), rows, cols, back.data());
  EXPECT_EQ(back, dequantised);
}

TEST_F(Units, ActivationQuantisation) {
  for (const std::string name : {"act.a", "act.b"}) {
    const auto in = Read<float>(name + ".in");
    const int64_t rows = Dim(name + ".in", 0), cols = Dim(name + ".in", 1);
    for (const auto& [suffix, rounding] :
         {std::pair{"", ScaleRounding::kNone}, {"_ue8m0", ScaleRounding::kPowerOfTwo}}) {
      const auto codes = Read<uint8_t>(name + ".q" + suffix);
      const auto scales = Read<float>(name + ".scale" + suffix);
      std::vector<uint8_t> our_codes(codes.size());
      std::vector<float> our_scales(scales.size());
      QuantizeRows(in.data(), rows, cols, rounding, our_codes.data(), our_scales.data());
      EXPECT_EQ(our_codes, codes) << name << suffix;
      for (size_t i = 0; i < scales.size(); ++i) EXPECT_FLOAT_EQ(our_scales[i], scales[i]);
    }
  }
}

// Quantised activations times quantised weights: the packed GEMM on dequantised rows.
TEST_F(Units, Gemm) {
  for (const std::string name : {"a", "b"}) {
    const auto codes = Read<uint8_t>("act." + name + ".q"),
               weights = Read<uint8_t>("gemm." + name + ".w_q");
    const auto scales = Read<float>("act." + name + ".scale"),
               weight_scales = Read<float>("gemm." + name + ".w_scale_inv");
    const auto expected = Read<float>("gemm." + name + ".out");
    const int rows = static_cast<int>(Dim("act." + name + ".q", 0)),
              k = static_cast<int>(Dim("act." + name + ".q", 1));
    const int n = static_cast<int>(Dim("gemm." + name + ".w_q", 0)), groups = (k + 127) / 128;
    ASSERT_EQ(static_cast<int64_t>(scales.size()), static_cast<int64_t>(rows) * groups);
    std::vector<float> x(rows * k);
    for (int i = 0; i < rows * k; ++i) x[i] = DecodeE4m3(codes[i]);
    const PackSpec spec{{WeightType::kFp8, n, k, weights.data(),
                         reinterpret_cast<const uint8_t*>(weight_scales.data())},
                        0,
                        n,
                        false};
    PackedMatrix m = PlanPack(spec);
    std::vector<float> data(m.data_bytes() / 4 + 16), packed_scales(m.scale_count());
    std::vector<uint32_t> irregular(m.irregular_count());
    auto* aligned =
        reinterpret_cast<uint8_t*>((reinterpret_cast<uintptr_t>(data.data()) + 63) / 64 * 64);
    int64_t row, col;
    ASSERT_TRUE(Pack(spec, {aligned, packed_scales.data(), irregular.data()}, &row, &col));
    m.data = aligned;
    m.scales = packed_scales.data();
    m.irregular = irregular.data();
    m.activations = ActivationQuant::kFp8;
    std::vector<float> out(rows * n);
    GemmParams params{m, x.data(), out.data(), rows, k, n};
    params.x_scales = scales.data();
    GemmPanels(params, 0, m.panels(), BestIsa());
    float largest = 0;
    for (float v : expected) largest = std::max(largest, std::abs(v));
    for (size_t i = 0; i < out.size(); ++i)
      EXPECT_NEAR(out[i], expected[i], 1e-5 * largest) << name << " " << i;
  }
}

TEST_F(Units, Routers) {
  struct Case {
    const char* name;
    int groups, topk_group;
  };
  for (const Case& c : {Case{"router.v3", 8, 4}, Case{"router.neg", 4, 2}}) {
    const std::string name = c.name;
    const auto logits = Read<float>(name + ".logits"), bias = Read<float>(name + ".bias"),
               weights = Read<float>(name + ".topk_weight");
    const auto expected = Read<int64_t>(name + ".topk_idx");
    const int rows = static_cast<int>(Dim(name + ".logits", 0)),
              experts = static_cast<int>(Dim(name + ".logits", 1));
    const int k = static_cast<int>(Dim(name + ".topk_idx", 1));
    std::vector<int> index(rows * k);
    std::vector<float> weight(rows * k);
    Route({rows, experts, c.groups, c.topk_group, k, true, 2.5f, logits.data(), bias.data(),
           index.data(), weight.data()});
    int different = 0;
    for (int i = 0; i < rows * k; ++i) {
      different += index[i] != expected[i];
      EXPECT_NEAR(weight[i], weights[i], 1e-6 * 2.5) << name << " " << i;
    }
    EXPECT_EQ(different, 0) << name;
  }
}

TEST_F(Units, YarnTables) {
  const auto inv_freq = Read<float>("rope.v3_yarn.inv_freq"), cos = Read<float>("rope.v3_yarn.cos"),
             sin = Read<float>("rope.v3_yarn.sin");
  const auto positions = Read<int64_t>("rope.v3_yarn.positions");
  std::vector<float> ours(32), our_cos(32), our_sin(32);
  RopeFrequencies(64, 10000,
                  {.factor = 40, .beta_fast = 32, .beta_slow = 1, .original_positions = 4096},
                  ours.data());
  for (int i = 0; i < 32; ++i) EXPECT_NEAR(ours[i], inv_freq[i], 1e-6 * inv_freq[i] + 6e-8) << i;
  for (size_t p = 0; p < positions.size(); ++p) {
    RopeAngles(positions[p], ours.data(), 32, 1, our_cos.data(), our_sin.data());
    for (int i = 0; i < 32; ++i) {
      // Frequencies computed in float32 there and in float64 here differ by up to two float32
      // steps, which the position multiplies.
      const double slack = 2e-6 + 2e-7 * positions[p] * inv_freq[i];
      EXPECT_NEAR(our_cos[i], cos[p * 32 + i], slack) << positions[p] << " " << i;
      EXPECT_NEAR(our_sin[i], sin[p * 32 + i], slack) << positions[p] << " " << i;
    }
  }
}

}  // namespace
}  // namespace conclave::kernels
