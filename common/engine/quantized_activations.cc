#include "common/engine/quantized_activations.h"

#include <algorithm>
#include <vector>

#include "common/engine/parallel.h"
#include "kernels/base/dtypes.h"
#include "kernels/quant/quant.h"
#include "kernels/quant/quantize_int16.h"
#include "kernels/quant/quantize_int8.h"

namespace conclave {
namespace {

constexpr int64_t kRowsPerTask = 8;
constexpr double kNsPerValue = 0.3, kNsPerInt16 = 0.1;

// e4m3 codes as the float32 values they stand for: what the GEMM multiplies with.
void QuantizeFp8(const float* x, int64_t rows, int64_t cols, int64_t x_stride, float* values,
                 float* scales) {
  const int64_t blocks = (cols + kernels::kQuantBlock - 1) / kernels::kQuantBlock;
  std::vector<uint8_t> codes(cols);
  for (int64_t row = 0; row < rows; ++row) {
    kernels::QuantizeRows(x + row * x_stride, 1, cols, kernels::ScaleRounding::kNone, codes.data(),
                          scales + row * blocks);
    for (int64_t i = 0; i < cols; ++i) values[row * cols + i] = kernels::DecodeE4m3(codes[i]);
  }
}

}  // namespace

void QuantizedActivations::Quantize(ThreadPool& pool, kernels::Isa isa,
                                    kernels::ActivationQuant quant, const float* x, int64_t rows,
                                    int64_t cols, int64_t x_stride) {
  quant_ = quant;
  if (quant == kernels::ActivationQuant::kNone) return;
  cols_ = cols;
  blocks_ = (cols + kernels::kQuantBlock - 1) / kernels::kQuantBlock;
  scales_ = scale_memory_.Get(rows * blocks_);
  const bool int8 = quant == kernels::ActivationQuant::kInt8,
             int16 = quant == kernels::ActivationQuant::kInt16;
  if (int16) {
    words_ = word_memory_.Get(rows * blocks_ * kernels::kQuantBlock);
  } else if (int8) {
    codes_ = code_memory_.Get(rows * blocks_ * kernels::kQuantBlock);
    offsets_ = offset_memory_.Get(rows * blocks_);
  } else {
    values_ = value_memory_.Get(rows * cols);
  }
  const int tasks = static_cast<int>((rows + kRowsPerTask - 1) / kRowsPerTask);
  const double estimate_ns = (int16 ? kNsPerInt16 : kNsPerValue) * static_cast<double>(rows * cols);
  ParallelFor(pool, tasks, estimate_ns, [&](int task) {
    const int64_t begin = task * kRowsPerTask, count = std::min(kRowsPerTask, rows - begin);
    if (int16) {
      kernels::QuantizeInt16({.rows = count,
                              .cols = cols,
                              .x = x + begin * x_stride,
                              .x_stride = x_stride,
                              .words = words_ + begin * blocks_ * kernels::kQuantBlock,
                              .scales = scales_ + begin * blocks_},
                             isa);
    } else if (int8) {
      kernels::QuantizeInt8({.rows = count,
                             .cols = cols,
                             .x = x + begin * x_stride,
                             .x_stride = x_stride,
                             .codes = codes_ + begin * blocks_ * kernels::kQuantBlock,
                             .scales = scales_ + begin * blocks_,
                             .offsets = offsets_ + begin * blocks_},
                            isa);
    } else {
      QuantizeFp8(x + begin * x_stride, count, cols, x_stride, values_ + begin * cols,
                  scales_ + begin * blocks_);
    }
  });
}

void QuantizedActivations::Apply(int64_t first_row, kernels::GemmParams* gemm) const {
  switch (quant_) {
    case kernels::ActivationQuant::kNone:
      return;
    case kernels::ActivationQuant::kInt8:
      gemm->x_codes = codes_ + first_row * blocks_ * kernels::kQuantBlock;
      gemm->x_offsets = offsets_ + first_row * blocks_;
      break;
    case kernels::ActivationQuant::kInt16:
      gemm->x_words = words_ + first_row * blocks_ * kernels::kQuantBlock;
      break;
    case kernels::ActivationQuant::kFp8:
      gemm->x = values_ + first_row * cols_;
      gemm->x_stride = cols_;
      break;
  }
  gemm->x_scales = scales_ + first_row * blocks_;
}

}  // namespace conclave
