// The GEMM on one thread as a share of the multiply peak, which is measured beside every sample;
// the best of many samples, since neighbours only ever slow one down. Weights come from the caches
// (one matrix) or from memory (many). Usage: gemm_bench [rows ...]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "kernels/gemm/gemm.h"
#include "kernels/peak/peak.h"
#include "kernels/quant/quant.h"
#include "kernels/quant/quantize_int16.h"
#include "kernels/quant/quantize_int8.h"

namespace conclave::kernels {
namespace {

using Clock = std::chrono::steady_clock;
double Since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Sums of uniform numbers: nearly Gaussian, so that irregular codes are as rare as in a model.
std::vector<float> Values(int64_t count) {
  std::vector<float> values(count);
  uint32_t state = 1;
  for (float& value : values) {
    value = 0;
    for (int i = 0; i < 12; ++i) {
      state = state * 1664525u + 1013904223u;
      value += static_cast<float>(state >> 8) * 0x1p-24f - 0.5f;
    }
  }
  return values;
}

void Run(ActivationQuant quant, int n, int k, int matrices, const std::vector<int>& row_counts) {
  const bool int8 = quant == ActivationQuant::kInt8, int16 = quant == ActivationQuant::kInt16;
  const std::vector<float> values = Values(int64_t{n} * k);
  std::vector<uint8_t> codes(values.size());
  std::vector<float> block_scales(static_cast<size_t>(n + 127) / 128 * ((k + 127) / 128));
  QuantizeBlocks(values.data(), n, k, codes.data(), block_scales.data());
  const PackSpec spec{
      {WeightType::kFp8, n, k, codes.data(), reinterpret_cast<const uint8_t*>(block_scales.data())},
      0,
      n,
      false,
      int8,
      int16};
  PackedMatrix m = PlanPack(spec);
  const int64_t bytes = m.data_bytes();
  uint8_t* memory = static_cast<uint8_t*>(std::aligned_alloc(64, bytes * matrices));
  std::vector<float> scales(m.scale_count());
  std::vector<uint32_t> irregular(m.irregular_count());
  int64_t row, col;
  if (memory == nullptr || !Pack(spec, {memory, scales.data(), irregular.data()}, &row, &col))
    std::abort();
  for (int i = 1; i < matrices; ++i) std::memcpy(memory + i * bytes, memory, bytes);
  m.scales = scales.data(), m.irregular = irregular.data();
  const PeakKind kind =
      int8 && PeakSupported(PeakKind::kInt8Dot) ? PeakKind::kInt8Dot : PeakKind::kFloatFma;
  for (const int rows : row_counts) {
    const std::vector<float> x = Values(int64_t{rows} * k);
    const int64_t blocks = int64_t{rows} * m.k_blocks();
    std::vector<int8_t> x_codes(blocks * kKBlock);
    std::vector<float> x_scales(blocks), out(int64_t{rows} * n);
    std::vector<int32_t> x_offsets(blocks);
    std::vector<int16_t> x_words(blocks * kKBlock);
    GemmParams p{m, x.data(), out.data(), rows, k, n};
    if (int16) {
      QuantizeInt16({rows, k, x.data(), k, x_words.data(), x_scales.data()}, BestIsa());
      p.x_words = x_words.data(), p.x_scales = x_scales.data();
    }
    if (int8) {
      QuantizeInt8({rows, k, x.data(), k, x_codes.data(), x_scales.data(), x_offsets.data()},
                   BestIsa());
      p.x_codes = x_codes.data(), p.x_scales = x_scales.data(), p.x_offsets = x_offsets.data();
    }
    double best = 1e9, peak = 0;
    for (int sample = 0, next = 0; sample < 60; ++sample) {
      const auto peak_begin = Clock::now();
      const double macs = static_cast<double>(RunPeak(kind, 30000));
      peak = std::max(peak, macs / Since(peak_begin));
      int calls = 0;
      const auto begin = Clock::now();
      do {
        p.w.data = memory + next++ % matrices * bytes;
        GemmPanels(p, 0, m.panels(), BestIsa());
        ++calls;
      } while (Since(begin) < 0.004);
      best = std::min(best, Since(begin) / calls);
    }
    const double rate = static_cast<double>(n) * k * rows / best;
    std::printf("%-14s %4d rows from %-6s %8.1f us  %5.1f of %5.1f GMAC/s = %4.1f %%  %5.1f GB/s\n",
                int8    ? "int8"
                : int16 ? "e4m3 x int16"
                        : "e4m3 x float32",
                rows, matrices > 1 ? "memory" : "cache", best * 1e6, rate / 1e9, peak / 1e9,
                100 * rate / peak, static_cast<double>(bytes) / best / 1e9);
  }
  std::free(memory);
}

}  // namespace
}  // namespace conclave::kernels

int main(int argc, char** argv) {
  std::vector<int> rows;
  for (int i = 1; i < argc; ++i) {
    rows.push_back(std::atoi(argv[i]));
    if (rows.back() < 1 || rows.back() > 4096) {
      std::fprintf(stderr, "gemm_bench: '%s' is not a number of rows from 1 to 4096\n", argv[i]);
      return 2;
    }
  }
  if (rows.empty()) rows = {1, 2, 3, 4, 6, 8, 12, 16, 32, 48, 64};
  using conclave::kernels::ActivationQuant;
  for (const auto quant :
       {ActivationQuant::kNone, ActivationQuant::kInt16, ActivationQuant::kInt8}) {
    conclave::kernels::Run(quant, 256, 2048, 1, rows);
    conclave::kernels::Run(quant, 1408, 2048, 150, rows);
  }
}
