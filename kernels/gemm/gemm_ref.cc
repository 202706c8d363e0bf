#include <cmath>
#include <cstring>

#include "kernels/base/bf16_dot.h"
#include "kernels/base/fp8_code.h"
#include "kernels/base/fp8_int16.h"
#include "kernels/gemm/gemm.h"

namespace conclave::kernels {
namespace {

// The value that the chain multiplies with, and what it lacks of the stored one; without scale.
struct Weight {
  float value, correction;
};
Weight Unscaled(const PackedMatrix& m, int out, int in) {
  if (m.type != WeightType::kFp8) return {PackedValue(m, out, in), 0};
  const uint8_t code = m.data[m.group_offset(out, in / 4) + in % 4];
  const float value = RegularFp8(code);
  return {value, IsIrregularFp8(code) ? std::copysign(kFp8Excess, -value) : 0};
}

// A row and an output channel of Arithmetic::kBf16Dot.
float PairedPartial(const GemmParams& p, int row, int out, int block) {
  const PackedMatrix& m = p.w;
  const int begin = block * kKBlock - m.k_phase, end = begin + kKBlock;
  const auto x = [&](int k) {
    return k < m.k ? RoundBf16(p.x[p.XRow(row) * p.x_stride + k]) : 0.0f;
  };
  const auto w = [&](int k) { return k < m.k ? Unscaled(m, out, k) : Weight{0, 0}; };
  float partial = 0;
  for (int k = begin < 0 ? 0 : begin; k < end && k < m.k; k += 2)
    partial = DotBf16(partial, x(k), w(k).value, x(k + 1), w(k + 1).value);
  for (int k = begin < 0 ? 0 : begin; k < end && k < m.k; ++k)
    if (w(k).correction != 0) partial = std::fma(x(k), w(k).correction, partial);
  return partial;
}

float FloatOutput(const GemmParams& p, int row, int out) {
  const PackedMatrix& m = p.w;
  float total = 0;
  for (int block = 0; block < m.k_blocks(); ++block) {
    float partial = 0;
    const bool paired = m.arithmetic == Arithmetic::kBf16Dot;
    if (paired) partial = PairedPartial(p, row, out, block);
    for (bool correcting : {false, true}) {
      for (int k = 0; k < m.k && !paired; ++k) {
        if ((k + m.k_phase) / kKBlock != block) continue;
        const Weight w = Unscaled(m, out, k);
        const float x = p.x[p.XRow(row) * p.x_stride + k];
        if (!correcting) partial = std::fma(x, w.value, partial);
        if (correcting && w.correction != 0) partial = std::fma(x, w.correction, partial);
      }
    }
    float scale = m.type == WeightType::kFp8 ? m.scales[out / kTile * m.k_blocks() + block] : 1.0f;
    if (p.x_scales != nullptr) scale *= p.x_scales[p.XRow(row) * m.k_blocks() + block];
    total = std::fma(scale, partial, total);
  }
  return total;
}

float Int8Output(const GemmParams& p, int row, int out) {
  const PackedMatrix& m = p.w;
  const int64_t x_row = p.XRow(row);
  float total = 0;
  for (int block = 0; block < m.k_blocks(); ++block) {
    int32_t partial = 0;
    for (int k = block * kKBlock; k < m.k && k < (block + 1) * kKBlock; ++k)
      partial += p.x_codes[x_row * m.k_blocks() * kKBlock + k] *
                 (m.data[m.group_offset(out, k / 4) + k % 4] - 128);
    const float scale =
        m.scales[(static_cast<int64_t>(out / kTile) * m.k_blocks() + block) * kTile + out % kTile] *
        p.x_scales[x_row * m.k_blocks() + block];
    total = std::fma(scale, static_cast<float>(partial), total);
  }
  return total;
}

int Word(const PackedMatrix& m, int out, int k) {
  if (m.type == WeightType::kFp8Int16)
    return Fp8Int16Value(m.data[m.group_offset(out, k / 4) + Fp8Int16Byte(k % 4)]);
  int16_t word;
  std::memcpy(&word, m.data + m.group_offset(out, k / 2) + k % 2 * 2, 2);
  return word;
}

float Int16Output(const GemmParams& p, int row, int out) {
  const PackedMatrix& m = p.w;
  const int64_t x_row = p.XRow(row);
  float total = 0;
  for (int block = 0; block < m.k_blocks(); ++block) {
    int32_t partial = 0;
    for (int k = block * kKBlock; k < m.k && k < (block + 1) * kKBlock; ++k)
      partial += p.x_words[x_row * m.k_blocks() * kKBlock + k] * Word(m, out, k);
    const int64_t index = static_cast<int64_t>(out / kTile) * m.k_blocks() + block;
    const float scale =
        m.scales[m.type == WeightType::kInt16 ? index * kTile + out % kTile : index] *
        p.x_scales[x_row * m.k_blocks() + block];
    total = std::fma(scale, static_cast<float>(partial), total);
  }
  return total;
}

}  // namespace

void GemmRef(const GemmParams& p) {
  const auto output = p.w.type == WeightType::kInt8                ? Int8Output
                      : p.w.activations == ActivationQuant::kInt16 ? Int16Output
                                                                   : FloatOutput;
  for (int row = 0; row < p.rows; ++row)
    for (int out = 0; out < p.w.n; ++out) *p.Out(row, out) = output(p, row, out);
}

}  // namespace conclave::kernels
