#include "kernels/attention/mla_int16_rope.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/attention/mla_int16.h"
#include "kernels/base/dtypes.h"
#include "tests/unit/kernels/attention/mla_case.h"

namespace conclave::kernels {
namespace {

std::vector<int16_t> Encode(const std::vector<float>& values) {
  std::vector<int16_t> codes(values.size());
  EncodeInt16Rope(values.data(), static_cast<int>(values.size()),
                  reinterpret_cast<uint8_t*>(codes.data()));
  return codes;
}
std::vector<float> Decode(const std::vector<int16_t>& codes) {
  std::vector<float> values(codes.size());
  DecodeInt16Rope(reinterpret_cast<const uint8_t*>(codes.data()), static_cast<int>(codes.size()),
                  values.data());
  return values;
}
template <class T>
double NormOf(const std::vector<T>& values) {
  double sum = 0;
  for (T value : values) sum += static_cast<double>(value) * static_cast<double>(value);
  return std::sqrt(sum);
}
float ScaleOf(int e) {
  return e == 0 ? 0.0f : e == 255 ? NAN : std::ldexp(e < 128 ? 1.0f : 1.5f, e - 127);
}
int16_t WithBits(int code, int e, int i) {
  return static_cast<int16_t>((code & ~3) | (e >> 2 * i & 3));
}

TEST(Int16Rope, EveryExponentIsReadFromAnyCodes) {
  uint32_t seed = 1;
  const auto next = [&] {
    return static_cast<int16_t>((seed = seed * 1664525u + 1013904223u) >> 16);
  };
  for (int e = 0; e < 256; ++e) {
    for (int repeat = 0; repeat < 100; ++repeat) {
      int16_t codes[4];
      for (int i = 0; i < 4; ++i) codes[i] = WithBits(repeat == 0 ? 32767 : next(), e, i);
      const float scale = Int16RopeScale(codes);
      if (e == 255) {
        EXPECT_TRUE(std::isnan(scale));
      } else {
        EXPECT_EQ(scale, ScaleOf(e)) << e;
      }
    }
  }
}

// From the least to the largest magnitudes: the scale is the smallest that does, the error keeps
// its bound, and codes keep theirs.
TEST(Int16Rope, ThereAndBack) {
  for (int count : {4, 20, 32, 64}) {
    for (int power = -149; power <= 124; ++power) {
      std::vector<float> values = RandomValues(count, power + 1000);
      for (float& value : values) value = std::ldexp(value, power);
      const double norm = NormOf(values);
      if (norm == 0) continue;
      const std::vector<int16_t> codes = Encode(values);
      const std::vector<float> back = Decode(codes);
      const double scale = static_cast<double>(Int16RopeScale(codes.data()));
      int e = 1;
      while (norm > kInt16QueryNorm * static_cast<double>(ScaleOf(e))) ++e;
      ASSERT_EQ(scale, static_cast<double>(ScaleOf(e))) << power;
      // So no sum of products with a query exceeds 2^30.
      EXPECT_LE(NormOf(codes), 32768.0);
      for (int i = 0; i < count; ++i) {
        EXPECT_EQ(back[i], codes[i] * Int16RopeScale(codes.data()));
        EXPECT_LE(std::abs(static_cast<double>(back[i]) - values[i]),
                  scale * (i < 4 ? 2.001 : 0.501))
            << power << " " << i;
      }
    }
  }
}

// Where the norm is just enough, and where one channel has all of it.
TEST(Int16Rope, TheBoundIsMetExactly) {
  for (float sign : {1.0f, -1.0f}) {
    for (int at : {0, 3, 4, 63}) {
      std::vector<float> values(64, 0.0f);
      values[at] = sign * kInt16QueryNorm;
      std::vector<int16_t> codes = Encode(values);
      EXPECT_EQ(Int16RopeScale(codes.data()), 1.0f);
      EXPECT_LE(std::abs(std::abs(codes[at]) - 32700), at < 4 ? 2 : 0);
      EXPECT_LE(NormOf(codes), 32768.0);
      values[at] = std::nextafter(values[at], sign * 1e9f);
      codes = Encode(values);
      EXPECT_EQ(Int16RopeScale(codes.data()), 3.0f);
      values[at] = sign * 3.4e38f;
      EXPECT_TRUE(std::isfinite(Decode(Encode(values))[at]));
    }
  }
  EXPECT_LE(NormOf(Encode(std::vector<float>(64, kInt16QueryNorm / 8))), 32768.0);
}

TEST(Int16Rope, ErrorsAreATenthOfThoseOfBf16) {
  double ours = 0, bf16 = 0, all = 0;
  for (int token = 0; token < 500; ++token) {
    std::vector<float> values = RandomValues(64, token);
    for (float& value : values) value *= 1 + 0.01f * static_cast<float>(token);
    const double norm = NormOf(values);
    const std::vector<float> back = Decode(Encode(values));
    for (int i = 0; i < 64; ++i) {
      ours += std::pow((back[i] - values[i]) / norm, 2);
      bf16 += std::pow((DecodeBf16(EncodeBf16(values[i])) - values[i]) / norm, 2);
    }
    all += 1;
  }
  EXPECT_LT(std::sqrt(ours / all), 1.7e-4);
  EXPECT_LT(std::sqrt(ours), 0.1 * std::sqrt(bf16));
}

TEST(Int16Rope, ZerosAreZeros) {
  for (float zero : {0.0f, -0.0f}) {
    const std::vector<int16_t> codes = Encode(std::vector<float>(12, zero));
    for (int16_t code : codes) EXPECT_EQ(code, 0);
    for (float value : Decode(codes)) EXPECT_EQ(value, 0.0f);
  }
}

// A token that is not finite shows in every head, whatever the signs.
TEST(Int16Rope, WhatIsNotFiniteStaysSo) {
  for (float bad : {INFINITY, -INFINITY, std::nanf("")}) {
    for (int at : {0, 5}) {
      std::vector<float> values = RandomValues(8, 3);
      values[at] = bad;
      for (float value : Decode(Encode(values))) EXPECT_TRUE(std::isnan(value));
      for (int heads : {8, 16}) {
        MlaCase c(KvType::kInt16, heads, 64, 8, 150);
        EncodeInt16Rope(values.data(), 8, &c.cache[9 * c.shape.TokenBytes() + 2 * 64]);
        for (Isa isa : SupportedIsas())
          for (float value : c.Attend(isa)) EXPECT_TRUE(std::isnan(value)) << IsaName(isa);
      }
    }
  }
}

}  // namespace
}  // namespace conclave::kernels
