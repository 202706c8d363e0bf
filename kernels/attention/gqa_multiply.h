// The two products of attention with grouped heads, queries times a page, over any 16-lane vector.
#pragma once

#include <cstdint>

namespace conclave::kernels {

template <class V>
struct GqaMultiply {
  static constexpr int kWide = V::kAccumulators >= 8 ? 4 : 1;  // queries of a register block
  static constexpr int kVectors = 4;                           // vectors of a register block

  // c[q][j] = keep[q] * c[q][j] + sum over i of a[q][i] * b[i][j], one chain along i per value;
  // without `keep` from 0. Q queries, J vectors of columns.
  template <int Q, int J>
  static void Block(const float* a, int64_t a_stride, const float* b, int64_t b_stride, int inner,
                    const float* keep, float* c, int64_t c_stride) {
    V acc[Q][J];
    for (int q = 0; q < Q; ++q) {
      for (int j = 0; j < J; ++j) {
        acc[q][j] = keep != nullptr ? V::Mul(V::Load(c + q * c_stride + 16 * j), V::Set1(keep[q]))
                                    : V::Zero();
      }
    }
    for (int i = 0; i < inner; ++i) {
      V column[J];
#pragma GCC unroll 4
      for (int j = 0; j < J; ++j) column[j] = V::Load(b + i * b_stride + 16 * j);
#pragma GCC unroll 4
      for (int q = 0; q < Q; ++q) {
        const V factor = V::Set1(a[q * a_stride + i]);
#pragma GCC unroll 4
        for (int j = 0; j < J; ++j) acc[q][j] = V::Fma(factor, column[j], acc[q][j]);
      }
    }
    for (int q = 0; q < Q; ++q)
      for (int j = 0; j < J; ++j) acc[q][j].Store(c + q * c_stride + 16 * j);
  }
  template <int Q>
  static void Columns(const float* a, int64_t a_stride, const float* b, int64_t b_stride, int inner,
                      const float* keep, float* c, int64_t c_stride, int vectors) {
    int j = 0;
    for (; j + kVectors <= vectors; j += kVectors)
      Block<Q, kVectors>(a, a_stride, b + 16 * j, b_stride, inner, keep, c + 16 * j, c_stride);
    for (; j < vectors; ++j)
      Block<Q, 1>(a, a_stride, b + 16 * j, b_stride, inner, keep, c + 16 * j, c_stride);
  }
  static void Run(int queries, const float* a, int64_t a_stride, const float* b, int64_t b_stride,
                  int inner, const float* keep, float* c, int64_t c_stride, int vectors) {
    int q = 0;
    for (; q + kWide <= queries; q += kWide)
      Columns<kWide>(a + q * a_stride, a_stride, b, b_stride, inner,
                     keep != nullptr ? keep + q : nullptr, c + q * c_stride, c_stride, vectors);
    for (; q < queries; ++q)
      Columns<1>(a + q * a_stride, a_stride, b, b_stride, inner,
                 keep != nullptr ? keep + q : nullptr, c + q * c_stride, c_stride, vectors);
  }
};

}  // namespace conclave::kernels
