// Random projections in every form that weights are kept in.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "common/engine/weights.h"
#include "kernels/base/dtypes.h"
#include "kernels/quant/quant.h"

namespace conclave {

inline std::vector<float> RandomFloats(int64_t count, uint32_t seed, float deviation = 1) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> values(count);
  for (float& v : values) v = normal(engine);
  return values;
}

// [n, k] of `stored` weights; with kInt8 requantised to int8, with kInt16 (e4m3 or bf16) in the
// form for int16 sums, with kFp8 (e4m3 only) their activations are rounded.
inline Linear PackedLinear(int n, int k, kernels::WeightType stored,
                           kernels::ActivationQuant activations, uint32_t seed) {
  using kernels::WeightType;
  const std::vector<float> values =
      RandomFloats(int64_t{n} * k, seed, 1 / std::sqrt(static_cast<float>(k)));
  std::vector<uint8_t> bytes(values.size() * 4);
  std::vector<float> scales(((n + 127) / 128) * ((k + 127) / 128));
  switch (stored) {
    case WeightType::kF32:
      std::memcpy(bytes.data(), values.data(), bytes.size());
      break;
    case WeightType::kBf16:
      for (size_t i = 0; i < values.size(); ++i) {
        const uint16_t bits = kernels::EncodeBf16(values[i]);
        std::memcpy(&bytes[2 * i], &bits, 2);
      }
      break;
    default:
      kernels::QuantizeBlocks(values.data(), n, k, bytes.data(), scales.data());
  }
  const kernels::PackSpec spec{
      {stored, n, k, bytes.data(), reinterpret_cast<const uint8_t*>(scales.data())},
      0,
      n,
      false,
      activations == kernels::ActivationQuant::kInt8,
      activations == kernels::ActivationQuant::kInt16};
  Linear linear;
  linear.m = kernels::PlanPack(spec);
  linear.m.activations = activations;
  linear.data = *Buffer::Create(linear.m.data_bytes());
  linear.scales = *Buffer::Create(linear.m.scale_count() * 4);
  linear.irregular = *Buffer::Create(linear.m.irregular_count() * 4);
  int64_t row = 0, col = 0;
  EXPECT_TRUE(kernels::Pack(
      spec, {linear.data.data(), linear.scales.As<float>(), linear.irregular.As<uint32_t>()}, &row,
      &col));
  linear.m.data = linear.data.data();
  linear.m.scales = linear.scales.As<float>();
  linear.m.irregular = linear.irregular.As<uint32_t>();
  return linear;
}

}  // namespace conclave
