#include "kernels/base/dtypes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace conclave::kernels {
namespace {

TEST(E4m3, EveryFiniteCodeRoundTrips) {
  for (int code = 0; code < 256; ++code) {
    if ((code & 0x7f) == 0x7f) continue;
    EXPECT_EQ(EncodeE4m3(DecodeE4m3(static_cast<uint8_t>(code))), code);
  }
}

TEST(E4m3, RoundsToTheNearestCodeAndTiesToEven) {
  for (int code = 0; code < 0x7e; ++code) {
    const float low = DecodeE4m3(static_cast<uint8_t>(code)),
                high = DecodeE4m3(static_cast<uint8_t>(code + 1));
    const float middle = (low + high) / 2;
    EXPECT_EQ(EncodeE4m3(middle), code % 2 == 0 ? code : code + 1) << middle;
    EXPECT_EQ(EncodeE4m3(std::nextafter(middle, low)), code) << middle;
    EXPECT_EQ(EncodeE4m3(std::nextafter(middle, high)), code + 1) << middle;
    EXPECT_EQ(EncodeE4m3(-middle), 0x80 | (code % 2 == 0 ? code : code + 1)) << middle;
  }
}

TEST(E4m3, LimitsOverflowAndNan) {
  EXPECT_EQ(DecodeE4m3(0x7e), 448.0f);
  EXPECT_EQ(DecodeE4m3(0x01), std::ldexp(1.0f, -9));
  EXPECT_TRUE(std::isnan(DecodeE4m3(0x7f)));
  EXPECT_TRUE(std::isnan(DecodeE4m3(0xff)));
  EXPECT_EQ(EncodeE4m3(464.0f), 0x7e);
  EXPECT_EQ(EncodeE4m3(465.0f), 0x7e);
  EXPECT_EQ(EncodeE4m3(465.0f, E4m3Overflow::kNan), 0x7f);
  EXPECT_EQ(EncodeE4m3(-std::numeric_limits<float>::infinity()), 0xfe);
  EXPECT_EQ(EncodeE4m3(std::nanf("")) & 0x7f, 0x7f);
  EXPECT_EQ(EncodeE4m3(-0.0f), 0x80);
}

TEST(Bf16, RoundsToEvenAndKeepsNan) {
  EXPECT_EQ(RoundBf16(1.0f), 1.0f);
  EXPECT_EQ(EncodeBf16(std::bit_cast<float>(0x3f808000u)), 0x3f80);  // tie, down to even
  EXPECT_EQ(EncodeBf16(std::bit_cast<float>(0x3f818000u)), 0x3f82);  // tie, up to even
  EXPECT_EQ(EncodeBf16(std::bit_cast<float>(0x3f808001u)), 0x3f81);
  EXPECT_TRUE(std::isnan(RoundBf16(std::bit_cast<float>(0x7f800001u))));
  EXPECT_TRUE(std::isinf(RoundBf16(std::numeric_limits<float>::max())));
}

}  // namespace
}  // namespace conclave::kernels
