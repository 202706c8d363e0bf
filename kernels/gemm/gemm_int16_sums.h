// Where a block of 128 input channels of the int16 GEMM lies, and how its sums end.
#pragma once

#include "kernels/base/fp8_int16.h"
#include "kernels/gemm/gemm.h"

namespace conclave::kernels {

// D: see gemm_int16_block.h. kType: kFp8Int16, or kInt16.
template <class D, WeightType kType>
struct GemmInt16Sums {
  using Acc = typename D::Acc;
  using Factor = typename D::Factor;
  static constexpr int kGroup = GroupSize(kType);

  // One block of some tiles.
  struct Place {
    const PackedMatrix& m;
    int tile;  // of the matrix
    int block;
    int groups;
    const uint8_t* data;
    int64_t stride;  // bytes from group to group

    Place Tile(int t) const { return {m, tile + t, block, groups, data + t * 64, stride}; }
  };
  static Place At(const PackedMatrix& m, int panel, int tile, int block) {
    constexpr int kGroups = kKBlock / kGroup;
    const int64_t stride = int64_t{m.panel_tiles(panel)} * 64;
    const int left = m.groups() - block * kGroups;
    return {m,
            panel * kPanelTiles + tile,
            block,
            left < kGroups ? left : kGroups,
            m.data + m.panel_offset(panel) + block * kGroups * stride + tile * 64,
            stride};
  }

  // Brings the block after a place into the second-level cache while that one is multiplied, a line
  // every few dot products: all at once they would wait for the memory.
  struct Fetch {
    const uint8_t* at;
    int lines;
    explicit Fetch(const Place& place)
        : at(place.data + place.groups * place.stride),
          lines(static_cast<int>(place.groups * place.stride / 64)) {}
    void Step() {
      __builtin_prefetch(at, 0, 2);
      at += 64;
      --lines;
    }
  };

  template <int R>
  static void Pointers(const GemmParams& p, int row, int block, const int16_t* (&x)[R]) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
      x[r] = p.x_words + (p.XRow(row + r) * p.w.k_blocks() + block) * kKBlock;
  }

  // Of a tile that the matrix does not fill.
  [[gnu::noinline]] static void AddToSome(Acc acc, Factor scale, Factor x_scale, bool first,
                                          int count, float* out) {
    float some[kTile] = {};
    for (int i = 0; i < count && !first; ++i) some[i] = out[i];
    D::AddScaled(acc, scale, x_scale, first, some);
    for (int i = 0; i < count; ++i) out[i] = some[i];
  }

  // Adds a block's sums to the output; the first block starts it.
  template <int R, int T>
  [[gnu::always_inline]] static inline void Finish(const GemmParams& p, int row, const Place& at,
                                                   const Acc (&acc)[R][T]) {
    const int64_t blocks = p.w.k_blocks();
    const int channel = at.tile * kTile;
    const bool first = at.block == 0, whole = channel + T * kTile <= p.w.n;
    Factor scale[T];
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
      const int64_t index = (at.tile + t) * blocks + at.block;
      scale[t] = kType == WeightType::kInt16 ? D::Factors(p.w.scales + index * kTile)
                                             : D::Same(p.w.scales[index]);
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Factor x_scale = D::Same(p.x_scales[p.XRow(row + r) * blocks + at.block]);
      float* out = p.Out(row + r, channel);
      if (whole) {
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t)
          D::AddScaled(acc[r][t], scale[t], x_scale, first, out + t * kTile);
        continue;
      }
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) {
        const int left = p.w.n - channel - t * kTile;
        AddToSome(acc[r][t], scale[t], x_scale, first, left < kTile ? left : kTile,
                  out + t * kTile);
      }
    }
  }
};

}  // namespace conclave::kernels
