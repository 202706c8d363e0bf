// out = x W^T. Each output is computed in one order whatever the number of rows or the panels of a
// call (law 1): blocks of kKBlock input channels in order, each with one partial sum, then
// total = fma(scale, partial, total), starting from 0.
//   float32, bf16, e4m3 weights: the partial sum is one chain of fused multiply-adds from 0 along
//     k, with e4m3 followed by the corrections of irregular codes along k (base/fp8_code.h); scale
//     is the weights' (1 without e4m3), times the row's with ActivationQuant::kFp8.
//   int8 and int16 activations, whatever the weights: the partial sum is exact in int32;
//     scale = weight scale * row scale.
// So the instruction set does not change a bit either, but for Arithmetic::kBf16Dot, which is an
// order of its own (gemm_bf16dot.h).
#pragma once

#include "kernels/base/cpu_features.h"
#include "kernels/gemm/packed_matrix.h"

namespace conclave::kernels {

struct GemmParams {
  PackedMatrix w;
  // [*, x_stride], the first w.k of each row are read. With ActivationQuant::kFp8 the values of
  // the codes; not read with int8 and int16 activations.
  const float* x = nullptr;
  float* out = nullptr;  // [rows, out_stride], the first w.n of each row are written
  int rows = 0;
  int64_t x_stride = 0;    // values
  int64_t out_stride = 0;  // values
  // Row r of the product takes row x_rows[r] of x and becomes row out_rows[r] of out; null: row r.
  const uint32_t* x_rows = nullptr;
  const uint32_t* out_rows = nullptr;
  // Quantised activations (../quant), only where w.activations says so.
  const int8_t* x_codes = nullptr;     // [*, x_blocks * kKBlock], int8 weights only
  const int16_t* x_words = nullptr;    // [*, x_blocks * kKBlock], ActivationQuant::kInt16 only
  const float* x_scales = nullptr;     // [*, x_blocks]
  const int32_t* x_offsets = nullptr;  // [*, x_blocks]: -128 * sum of codes, int8 weights only

  int64_t XRow(int r) const { return x_rows == nullptr ? r : x_rows[r]; }
  float* Out(int r, int channel) const {
    return out + (out_rows == nullptr ? r : out_rows[r]) * out_stride + channel;
  }
};

// What a panel's stream will need: from memory into the second-level cache far ahead, and on into
// the first one shortly before. Alone, the hardware's prefetcher reaches two thirds of the memory's
// bandwidth at the rate that one row consumes weights (kernels/README.md).
static inline void PrefetchWeights(const uint8_t* p, int shortly = 1024) {
  __builtin_prefetch(p + 8192, 0, 2);
  __builtin_prefetch(p + shortly);
}

// Panels [panel_begin, panel_end) of the output channels; different panels may run on different
// threads.
void GemmPanels(const GemmParams& params, int panel_begin, int panel_end, Isa isa);

// The oracle: the same order in plain loops, the same bits.
void GemmRef(const GemmParams& params);

// One instruction set each. Weights of float32, bf16 or e4m3.
void GemmPanelsPortable(const GemmParams& params, int panel_begin, int panel_end);
void GemmPanelsAvx2(const GemmParams& params, int panel_begin, int panel_end);
void GemmPanelsAvx512(const GemmParams& params, int panel_begin, int panel_end);
// Weights of int8.
void GemmInt8Portable(const GemmParams& params, int panel_begin, int panel_end);
void GemmInt8Avx2(const GemmParams& params, int panel_begin, int panel_end);
void GemmInt8Vnni(const GemmParams& params, int panel_begin, int panel_end);
void GemmInt8Amx(const GemmParams& params, int panel_begin, int panel_end);
// Weights of e4m3 or 16 bits for int16 activations.
void GemmInt16Portable(const GemmParams& params, int panel_begin, int panel_end);
void GemmInt16Avx2(const GemmParams& params, int panel_begin, int panel_end);
void GemmInt16Vnni(const GemmParams& params, int panel_begin, int panel_end);

}  // namespace conclave::kernels
