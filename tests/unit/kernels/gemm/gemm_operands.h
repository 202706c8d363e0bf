// Operands of GEMM tests: matrices as in a checkpoint, packed, and activations as they ask for
// them.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <vector>

#include "kernels/base/dtypes.h"
#include "kernels/gemm/gemm.h"
#include "kernels/quant/quant.h"
#include "kernels/quant/quantize_int16.h"
#include "kernels/quant/quantize_int8.h"
#include "tests/unit/kernels/random_values.h"

namespace conclave::kernels {

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
  std::vector<uint32_t> irregular;

  explicit Packed(const PackSpec& spec)
      : m(PlanPack(spec)), scales(m.scale_count()), irregular(m.irregular_count()) {
    data.reset(static_cast<uint8_t*>(std::aligned_alloc(64, (m.data_bytes() + 63) / 64 * 64)));
    int64_t row, col;
    EXPECT_TRUE(Pack(spec, {data.get(), scales.data(), irregular.data()}, &row, &col));
    m.data = data.get();
    m.scales = scales.data();
    m.irregular = irregular.data();
  }
};

// The activations in the form that the matrix asks for.
struct QuantizedRows {
  std::vector<int8_t> codes;
  std::vector<int16_t> words;
  std::vector<float> scales;
  std::vector<int32_t> offsets;

  QuantizedRows(const PackedMatrix& m, const std::vector<float>& x, int rows, Isa isa) {
    if (m.activations == ActivationQuant::kNone) return;
    const int64_t blocks = static_cast<int64_t>(rows) * m.k_blocks();
    scales.resize(blocks);
    if (m.activations == ActivationQuant::kInt16) {
      words.resize(blocks * kKBlock);
      QuantizeInt16({.rows = rows,
                     .cols = m.k,
                     .x = x.data(),
                     .x_stride = m.k,
                     .words = words.data(),
                     .scales = scales.data()},
                    isa);
      return;
    }
    codes.resize(blocks * kKBlock);
    offsets.resize(blocks);
    QuantizeInt8({.rows = rows,
                  .cols = m.k,
                  .x = x.data(),
                  .x_stride = m.k,
                  .codes = codes.data(),
                  .scales = scales.data(),
                  .offsets = offsets.data()},
                 isa);
  }
  void Use(GemmParams* params) const {
    if (scales.empty()) return;
    params->x_scales = scales.data();
    if (!words.empty()) params->x_words = words.data();
    if (!codes.empty()) params->x_codes = codes.data(), params->x_offsets = offsets.data();
  }
};

inline constexpr WeightType kTypes[] = {WeightType::kF32, WeightType::kBf16, WeightType::kFp8};

// Every kind of GEMM operand.
inline std::vector<PackSpec> Kinds(const std::vector<Stored>& stored) {
  std::vector<PackSpec> specs;
  for (const Stored& s : stored) specs.push_back({s.source, 0, s.source.rows, false});
  specs.push_back({stored.back().source, 0, stored.back().source.rows, false, true});
  for (const Stored& s : stored) specs.push_back({s.source, 0, s.source.rows, false, false, true});
  return specs;
}
inline std::vector<Stored> AllTypes(int n, int k, uint32_t seed) {
  std::vector<Stored> stored;
  for (WeightType type : kTypes) stored.emplace_back(type, n, k, seed);
  return stored;
}

}  // namespace conclave::kernels
