// A block of input channels of T tiles as float32, in the first-level cache, and what surrounds it.
#pragma once

#include "kernels/gemm/gemm_blocks.h"

namespace conclave::kernels {

template <class V, WeightType kType, int T>
struct GemmDecodedBlock {
  using Blocks = GemmBlocks<V, kType>;
  static constexpr int kGroup = Blocks::kGroup;

  int index = 0;    // k block
  int k_begin = 0;  // first input channel
  int k_count = 0;
  const uint8_t* data = nullptr;  // packed, of the first group
  int64_t stride = 0;             // bytes from group to group
  alignas(64) float w[kKBlock][T * kTile];
  // Of the groups of a tile that hold irregular codes: how many, their first input channels from
  // k_begin, what 4 input channels lack.
  int corrections[T];
  int correction_at[T][kKBlock / 4];
  alignas(64) float correction[T][kKBlock][kTile];

  // Everything but `w`.
  void Begin(const PackedMatrix& m, int panel, int tile, int k_block) {
    const auto tiles = Blocks::At(m, panel, tile);
    const auto span = Blocks::BlockSpan(m, panel, k_block);
    index = k_block;
    k_begin = span.begin * kGroup;
    k_count = (span.end * kGroup < m.k ? span.end * kGroup : m.k) - k_begin;
    data = tiles.data + span.begin * tiles.stride;
    stride = tiles.stride;
    for (int& count : corrections) count = 0;
    if constexpr (Blocks::kFp8) {
      for (uint32_t flags = span.irregular; flags != 0; flags &= flags - 1)
        Correct(__builtin_ctz(flags));
    }
  }

  int groups() const { return (k_count + kGroup - 1) / kGroup; }

 private:
  void Correct(int group) {
    for (int t = 0; t < T; ++t) {
      const uint8_t* codes = data + group * stride + t * 64;
      if (!V::AnyIrregularFp8(codes)) continue;
      V decoded[kGroup];
      Blocks::Decode(codes, decoded);
      const int at = corrections[t]++;
      correction_at[t][at] = group * kGroup;
      for (int j = 0; j < kGroup; ++j)
        V::CorrectFp8(decoded[j]).Store(correction[t][at * kGroup + j]);
    }
  }
};

// Brings the block after one into the second-level cache while that one is multiplied, a line every
// few multiply-adds: all at once they would wait for the memory.
struct GemmBlockFetch {
  const uint8_t* at = nullptr;
  int64_t step = 0;  // bytes from line to line
  int lines = 0;     // left

  template <class V, WeightType kType, int T>
  explicit GemmBlockFetch(const GemmDecodedBlock<V, kType, T>& block)
      : at(block.data + block.groups() * block.stride),
        step(block.stride == T * 64 ? 64 : block.stride),
        lines(kKBlock / GroupSize(kType) * T) {}
  void Line() {
    __builtin_prefetch(at, 0, 2);
    at += step;
  }
};

}  // namespace conclave::kernels
