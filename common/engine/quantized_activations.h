// Activations in the form that a GEMM's weights ask for (kernels::ActivationQuant).
#pragma once

#include "common/concurrency/thread_pool.h"
#include "common/engine/scratch.h"
#include "kernels/gemm/gemm.h"

namespace conclave {

// Not thread-safe; owns the quantised rows, which live until the next Quantize.
class QuantizedActivations {
 public:
  // Rows 0 .. rows - 1 of x [rows, x_stride], the first `cols` values of each. Nothing to do for
  // kNone.
  void Quantize(ThreadPool& pool, kernels::Isa isa, kernels::ActivationQuant quant, const float* x,
                int64_t rows, int64_t cols, int64_t x_stride);
  // Points the GEMM at the quantised rows, its row 0 being row `first_row` of them (x_rows counts
  // from there).
  void Apply(int64_t first_row, kernels::GemmParams* gemm) const;

 private:
  kernels::ActivationQuant quant_ = kernels::ActivationQuant::kNone;
  int64_t cols_ = 0, blocks_ = 0;
  float* values_ = nullptr;
  int8_t* codes_ = nullptr;
  int16_t* words_ = nullptr;
  float* scales_ = nullptr;
  int32_t* offsets_ = nullptr;
  Scratch<float> value_memory_;
  Scratch<int8_t> code_memory_;
  Scratch<int16_t> word_memory_;
  Scratch<float> scale_memory_;
  Scratch<int32_t> offset_memory_;
};

}  // namespace conclave
