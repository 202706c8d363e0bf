// The GEMM over any 16-lane vector. Few rows: weights are decoded in registers on their way into
// the multiply, as many tiles at once as accumulators allow. Many rows: a block of a panel is
// decoded once into the cache and multiplied with all rows. Neither changes the order inside one
// output.
#pragma once

#include "kernels/gemm/gemm.h"

namespace conclave::kernels {

template <class V, WeightType kType>
struct GemmKernel {
  static constexpr int kGroup = GroupSize(kType);
  static constexpr int kBlockGroups = kKBlock / kGroup;
  static constexpr int64_t kPrefetchBytes = 2048;
  // Rows of one pass over the data, so that activations and results of a block stay in the cache.
  static constexpr int kRowsPerPass = 512;

  // kGroup vectors: input channels k, k + 1, ... of 16 output channels.
  static void Decode(const uint8_t* p, bool irregular, V* w) {
    if constexpr (kType == WeightType::kFp8) {
      V::DecodeFp8(p, w);
      if (__builtin_expect(irregular, 0))
        for (int j = 0; j < kGroup; ++j) w[j] = V::FixFp8(w[j]);
    } else if constexpr (kType == WeightType::kBf16) {
      V::DecodeBf16(p, w);
    } else {
      V::DecodeF32(p, w);
    }
  }

  // Groups [begin, end) of a block, counted from the row's start; `k_left` input channels of the
  // last one may be missing.
  struct Span {
    int begin, end, flag_begin;
  };
  static Span BlockSpan(const PackedMatrix& m, int block) {
    const int phase = m.k_phase / kGroup;
    const int begin = block * kBlockGroups - phase, end = begin + kBlockGroups;
    const int first = begin < 0 ? 0 : begin;
    return {first, end < m.groups() ? end : m.groups(), first - begin};
  }
  static uint32_t Flags(const PackedMatrix& m, int panel, int block, const Span& span) {
    if constexpr (kType != WeightType::kFp8) return 0;
    return m.irregular[static_cast<int64_t>(panel) * m.k_blocks() + block] >> span.flag_begin;
  }
  static V Scale(const GemmParams& p, int row, int tile, int block) {
    float scale = kType == WeightType::kFp8
                      ? p.w.scales[static_cast<int64_t>(tile) * p.w.k_blocks() + block]
                      : 1.0f;
    if (p.x_scales != nullptr) scale *= p.x_scales[p.XRow(row) * p.w.k_blocks() + block];
    return V::Set1(scale);
  }
  static void StoreTile(const GemmParams& p, int row, int tile, V value) {
    const int n = tile * kTile;
    float* out = p.Out(row, n);
    if (n + kTile <= p.w.n) {
      value.Store(out);
    } else {
      float tail[kTile];
      value.Store(tail);
      for (int i = 0; n + i < p.w.n; ++i) out[i] = tail[i];
    }
  }

  // Rows [row, row + R), tiles [tile, tile + T) of a panel, decoded in registers.
  template <int R, int T>
  static void Fused(const GemmParams& p, int row, int panel, int tile) {
    const PackedMatrix& m = p.w;
    const int64_t stride = m.panel_tiles(panel) * 64;
    const uint8_t* data = m.data + m.panel_offset(panel) + tile * 64;
    const float* x[R];
    for (int r = 0; r < R; ++r) x[r] = p.x + p.XRow(row + r) * p.x_stride;
    V total[R][T];
    for (int r = 0; r < R; ++r)
      for (int t = 0; t < T; ++t) total[r][t] = V::Zero();
    const int whole = m.k / kGroup;
    for (int block = 0; block < m.k_blocks(); ++block) {
      const Span span = BlockSpan(m, block);
      uint32_t flags = Flags(m, panel, block, span);
      V acc[R][T];
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) acc[r][t] = V::Zero();
      const int end = span.end < whole ? span.end : whole;
      int g = span.begin;
      for (; g < end; ++g, flags >>= 1) {
        const uint8_t* group = data + g * stride;
        const int k = g * kGroup;
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) __builtin_prefetch(group + t * 64 + kPrefetchBytes);
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) {
          V w[kGroup];
          Decode(group + t * 64, flags & 1, w);
#pragma GCC unroll 4
          for (int j = 0; j < kGroup; ++j)
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r) acc[r][t] = V::Fma(V::Set1(x[r][k + j]), w[j], acc[r][t]);
        }
      }
      if (g < span.end) {  // fewer than a group left, at the end of the row only
        const int k = g * kGroup;
        for (int t = 0; t < T; ++t) {
          V w[kGroup];
          Decode(data + g * stride + t * 64, flags & 1, w);
          for (int j = 0; k + j < m.k; ++j)
            for (int r = 0; r < R; ++r) acc[r][t] = V::Fma(V::Set1(x[r][k + j]), w[j], acc[r][t]);
        }
      }
      for (int r = 0; r < R; ++r)
        for (int t = 0; t < T; ++t)
          total[r][t] = V::Fma(Scale(p, row + r, panel * kPanelTiles + tile + t, block), acc[r][t],
                               total[r][t]);
    }
    for (int r = 0; r < R; ++r)
      for (int t = 0; t < T; ++t)
        StoreTile(p, row + r, panel * kPanelTiles + tile + t, total[r][t]);
  }

  // Tiles [tile, tile_end) of a panel, T at a time while they last.
  template <int R>
  static void FusedRows(const GemmParams& p, int row, int panel, int tile, int tile_end) {
    constexpr int T = V::kAccumulators / R >= 4 ? 4 : V::kAccumulators / R >= 2 ? 2 : 1;
    for (; tile + T <= tile_end; tile += T) Fused<R, T>(p, row, panel, tile);
    if constexpr (T > 1) {
      for (; tile < tile_end; ++tile) Fused<R, 1>(p, row, panel, tile);
    }
  }

  static void FewRows(const GemmParams& p, int row, int rows, int panel, int tile, int tile_end) {
    for (; rows > 8; row += 8, rows -= 8) FusedRows<8>(p, row, panel, tile, tile_end);
    switch (rows) {
      case 1:
        return FusedRows<1>(p, row, panel, tile, tile_end);
      case 2:
        return FusedRows<2>(p, row, panel, tile, tile_end);
      case 3:
        return FusedRows<3>(p, row, panel, tile, tile_end);
      case 4:
        return FusedRows<4>(p, row, panel, tile, tile_end);
      case 5:
        return FusedRows<5>(p, row, panel, tile, tile_end);
      case 6:
        return FusedRows<6>(p, row, panel, tile, tile_end);
      case 7:
        return FusedRows<7>(p, row, panel, tile, tile_end);
      case 8:
        return FusedRows<8>(p, row, panel, tile, tile_end);
      default:
        return;
    }
  }

  // Decodes a block of T tiles to [input channels][T * 16].
  template <int T>
  static int Expand(const PackedMatrix& m, int panel, int tile, int block, float* out) {
    const int64_t stride = m.panel_tiles(panel) * 64;
    const uint8_t* data = m.data + m.panel_offset(panel) + tile * 64;
    const Span span = BlockSpan(m, block);
    uint32_t flags = Flags(m, panel, block, span);
    for (int g = span.begin; g < span.end; ++g, flags >>= 1) {
      const uint8_t* group = data + g * stride;
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) {
        __builtin_prefetch(group + t * 64 + kPrefetchBytes);
        V w[kGroup];
        Decode(group + t * 64, flags & 1, w);
        for (int j = 0; j < kGroup; ++j)
          w[j].Store(out + ((g - span.begin) * kGroup + j) * T * kTile + t * kTile);
      }
    }
    return span.begin * kGroup;
  }

  // total += scale * (x block) (w block) for R rows and T tiles; `w` is what Expand wrote.
  template <int R, int T>
  static void Micro(const GemmParams& p, const float* w, int row, int first_tile, int block,
                    int k_begin, int k_count) {
    const float* x[R];
    for (int r = 0; r < R; ++r) x[r] = p.x + p.XRow(row + r) * p.x_stride + k_begin;
    V acc[R][T];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) acc[r][t] = V::Zero();
    for (int k = 0; k < k_count; ++k) {
      V wk[T];
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) wk[t] = V::Load(w + k * T * kTile + t * kTile);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const V xk = V::Set1(x[r][k]);
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) acc[r][t] = V::Fma(xk, wk[t], acc[r][t]);
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) {
        float* out = p.Out(row + r, (first_tile + t) * kTile);
        const V before = block == 0 ? V::Zero() : V::Load(out);
        V::Fma(Scale(p, row + r, first_tile + t, block), acc[r][t], before).Store(out);
      }
    }
  }

  template <int T>
  static void MicroRows(const GemmParams& p, const float* w, int row, int rows, int first_tile,
                        int block, int k_begin, int k_count) {
    switch (rows) {
      case 1:
        return Micro<1, T>(p, w, row, first_tile, block, k_begin, k_count);
      case 2:
        return Micro<2, T>(p, w, row, first_tile, block, k_begin, k_count);
      case 3:
        return Micro<3, T>(p, w, row, first_tile, block, k_begin, k_count);
      case 4:
        return Micro<4, T>(p, w, row, first_tile, block, k_begin, k_count);
      case 5:
        return Micro<5, T>(p, w, row, first_tile, block, k_begin, k_count);
      default:
        return Micro<6, T>(p, w, row, first_tile, block, k_begin, k_count);
    }
  }

  // T whole tiles and many rows.
  template <int T>
  static void ManyRows(const GemmParams& p, int row_begin, int rows, int panel, int tile) {
    alignas(64) float w[kKBlock * T * kTile];
    const int pieces = (rows + 5) / 6;  // of nearly equal size, at most 6 rows
    for (int block = 0; block < p.w.k_blocks(); ++block) {
      const int k_begin = Expand<T>(p.w, panel, tile, block, w);
      const int block_end = (block + 1) * kKBlock - p.w.k_phase;
      const int k_count = (block_end < p.w.k ? block_end : p.w.k) - k_begin;
      for (int piece = 0; piece < pieces; ++piece) {
        const int first = rows * piece / pieces, last = rows * (piece + 1) / pieces;
        MicroRows<T>(p, w, row_begin + first, last - first, panel * kPanelTiles + tile, block,
                     k_begin, k_count);
      }
    }
  }

  static void Panel(const GemmParams& p, int row, int rows, int panel) {
    const int tiles = p.w.panel_tiles(panel);
    if (rows <= V::kFusedRows) return FewRows(p, row, rows, panel, 0, tiles);
    const int whole = p.w.n / kTile - panel * kPanelTiles;  // tiles without missing channels
    int tile = 0;
    if constexpr (V::kAccumulators >= 16) {
      for (; tile + 4 <= whole && tile + 4 <= tiles; tile += 4)
        ManyRows<4>(p, row, rows, panel, tile);
    }
    for (; tile < whole && tile < tiles; ++tile) ManyRows<1>(p, row, rows, panel, tile);
    if (tile < tiles) FewRows(p, row, rows, panel, tile, tiles);
  }

  static void Run(const GemmParams& p, int panel_begin, int panel_end) {
    for (int row = 0; row < p.rows; row += kRowsPerPass) {
      const int rows = p.rows - row < kRowsPerPass ? p.rows - row : kRowsPerPass;
      for (int panel = panel_begin; panel < panel_end; ++panel) Panel(p, row, rows, panel);
    }
  }
};

template <class V>
static void GemmPanelsOn(const GemmParams& p, int panel_begin, int panel_end) {
  switch (p.w.type) {
    case WeightType::kFp8:
      return GemmKernel<V, WeightType::kFp8>::Run(p, panel_begin, panel_end);
    case WeightType::kBf16:
      return GemmKernel<V, WeightType::kBf16>::Run(p, panel_begin, panel_end);
    case WeightType::kF32:
      return GemmKernel<V, WeightType::kF32>::Run(p, panel_begin, panel_end);
    case WeightType::kInt8:
      return;  // gemm_int8_kernel.h
  }
}

}  // namespace conclave::kernels
