#include "kernels/base/fp8_int16.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/base/dtypes.h"

namespace conclave::kernels {
namespace {

TEST(Fp8Int16, EveryCodeBecomesTheNearestWholeNumberOfUnits) {
  for (int code = 0; code < 256; ++code) {
    if ((code & 0x7f) == 0x7f) continue;
    const float value = DecodeE4m3(static_cast<uint8_t>(code));
    const int units = Fp8Int16Value(ToPackedFp8Int16(static_cast<uint8_t>(code)));
    EXPECT_EQ(units, std::nearbyint(value / kFp8Int16Unit)) << code;
    EXPECT_LE(std::abs(units), kFp8Int16Largest) << code;
    if (std::abs(value) >= 0.25f) {
      EXPECT_EQ(units * kFp8Int16Unit, value) << code;
    }
  }
}

TEST(Fp8Int16, TheFourChannelsOfAGroupHaveBytesOfTheirOwn) {
  int seen = 0;
  for (int i = 0; i < 4; ++i) seen |= 1 << Fp8Int16Byte(i);
  EXPECT_EQ(seen, 15);
  // Channels 0 and 1 lie in the low bytes of two words.
  EXPECT_EQ(Fp8Int16Byte(0) % 2, 0);
  EXPECT_EQ(Fp8Int16Byte(1), Fp8Int16Byte(0) + 2);
}

}  // namespace
}  // namespace conclave::kernels
