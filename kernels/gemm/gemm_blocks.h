// What both ways through a GEMM (few rows, many rows) share: groups, blocks, decoding, scales.
#pragma once

#include "kernels/gemm/gemm.h"

namespace conclave::kernels {

template <class V, WeightType kType>
struct GemmBlocks {
  static constexpr bool kFp8 = kType == WeightType::kFp8;
  static constexpr int kGroup = GroupSize(kType);
  static constexpr int kBlockGroups = kKBlock / kGroup;

  // kGroup vectors: input channels k, k + 1, ... of 16 output channels; e4m3 by the rule of regular
  // codes.
  static void Decode(const uint8_t* p, V* w) {
    if constexpr (kFp8) {
      V::DecodeFp8(p, w);
    } else if constexpr (kType == WeightType::kBf16) {
      V::DecodeBf16(p, w);
    } else {
      V::DecodeF32(p, w);
    }
  }

  // Some tiles of one panel.
  struct Tiles {
    const uint8_t* data;  // of group 0
    int64_t stride;       // bytes from group to group
  };
  static Tiles At(const PackedMatrix& m, int panel, int tile) {
    return {m.data + m.panel_offset(panel) + tile * 64, int64_t{m.panel_tiles(panel)} * 64};
  }

  // Groups [begin, end) of a block, counted from the row's start.
  struct Span {
    int begin, end;
    uint32_t irregular;  // bit g: group begin + g
  };
  static Span BlockSpan(const PackedMatrix& m, int panel, int block) {
    const int begin = block * kBlockGroups - m.k_phase / kGroup, end = begin + kBlockGroups;
    const int first = begin < 0 ? 0 : begin;
    uint32_t irregular = 0;
    if constexpr (kFp8) {
      irregular =
          m.irregular[static_cast<int64_t>(panel) * m.k_blocks() + block] >> (first - begin);
    }
    return {first, end < m.groups() ? end : m.groups(), irregular};
  }

  // The weights' scale, and what it becomes for a row of quantised activations.
  static V Scale(const PackedMatrix& m, int tile, int block) {
    return V::Set1(kFp8 ? m.scales[static_cast<int64_t>(tile) * m.k_blocks() + block] : 1.0f);
  }
  static V RowScale(const GemmParams& p, int row, int block, V scale) {
    if (p.x_scales == nullptr) return scale;
    return V::Mul(scale, V::Set1(p.x_scales[p.XRow(row) * p.w.k_blocks() + block]));
  }
};

}  // namespace conclave::kernels
