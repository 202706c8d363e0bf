// Tile registers in plain C++, as the instruction set's manual defines them: a tile unit
// (kernels/gemm/tile_unit.h) for machines without any. What the hardware faults on fails the test.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "kernels/gemm/tile_unit.h"

namespace conclave::kernels {

struct ModelTileUnit {
  static constexpr int kTiles = 8;
  struct Registers {
    bool configured = false;
    TileConfig config;
    uint8_t data[kTiles][16][64] = {};
  };
  static Registers& State() {
    static thread_local Registers state;
    return state;
  }

  static void Configure(const TileConfig& config) {
    EXPECT_EQ(config.palette, 1);
    EXPECT_EQ(config.start_row, 0);
    for (uint8_t byte : config.reserved) EXPECT_EQ(byte, 0);
    for (int t = 0; t < 16; ++t) {
      EXPECT_LE(config.rows[t], t < kTiles ? 16 : 0);
      EXPECT_LE(config.row_bytes[t], t < kTiles ? 64 : 0);
      EXPECT_EQ(config.rows[t] == 0, config.row_bytes[t] == 0);
    }
    State() = Registers{true, config, {}};
  }
  static void Release() {
    EXPECT_TRUE(State().configured);
    State() = Registers{};
  }
  template <int kT>
  static void Zero() {
    EXPECT_GT(State().config.rows[kT], 0);
    std::memset(State().data[kT], 0, sizeof(State().data[kT]));
  }
  template <int kT>
  static void Load(const void* p, int64_t stride) {
    Zero<kT>();
    for (int r = 0; r < State().config.rows[kT]; ++r)
      std::memcpy(State().data[kT][r], static_cast<const uint8_t*>(p) + r * stride,
                  State().config.row_bytes[kT]);
  }
  template <int kT>
  static void Store(void* p, int64_t stride) {
    EXPECT_GT(State().config.rows[kT], 0);
    for (int r = 0; r < State().config.rows[kT]; ++r)
      std::memcpy(static_cast<uint8_t*>(p) + r * stride, State().data[kT][r],
                  State().config.row_bytes[kT]);
  }
  template <int kSums, int kCodes, int kWeights>
  static void Dot() {
    static_assert(kSums != kCodes && kSums != kWeights && kCodes != kWeights);
    Registers& s = State();
    const TileConfig& c = s.config;
    ASSERT_GT(c.rows[kSums], 0);
    ASSERT_EQ(c.rows[kSums], c.rows[kCodes]);
    ASSERT_EQ(c.row_bytes[kSums], c.row_bytes[kWeights]);
    ASSERT_EQ(c.rows[kWeights] * 4, c.row_bytes[kCodes]);
    for (int m = 0; m < c.rows[kSums]; ++m) {
      for (int n = 0; n < c.row_bytes[kSums] / 4; ++n) {
        int32_t sum;
        std::memcpy(&sum, s.data[kSums][m] + 4 * n, 4);
        for (int k = 0; k < c.row_bytes[kCodes]; ++k)
          sum += static_cast<int8_t>(s.data[kCodes][m][k]) * s.data[kWeights][k / 4][4 * n + k % 4];
        std::memcpy(s.data[kSums][m] + 4 * n, &sum, 4);
      }
    }
  }
  static void AddScaled(const int32_t* sums, int32_t offset, const float* scales, float row_scale,
                        float* total) {
    for (int i = 0; i < 16; ++i)
      total[i] = std::fma(scales[i] * row_scale, static_cast<float>(sums[i] + offset), total[i]);
  }
};

}  // namespace conclave::kernels
