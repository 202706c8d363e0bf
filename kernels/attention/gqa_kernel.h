// One split of attention with grouped heads over any 16-lane vector.
#pragma once

#include "kernels/attention/gqa_multiply.h"
#include "kernels/attention/gqa_page.h"
#include "kernels/base/exp.h"

namespace conclave::kernels {

template <class V>
struct GqaKernel {
  // Not the library's: its copy, compiled for this instruction set, could serve the whole program.
  static void Fill(float* values, int64_t count, float value) {
    for (int64_t i = 0; i < count; ++i) values[i] = value;
  }

  // Scales a query's scores of one page; those behind `tokens` become -infinity. The largest.
  static float Scale(float* scores, int tokens, V scale) {
    V max = V::Set1(-__builtin_inff());
    Fill(scores + tokens, kGqaPageTokens - tokens, -__builtin_inff());
    for (int t = 0; t < kGqaPageTokens; t += 16) {
      const V s = V::Mul(V::Load(scores + t), scale);
      s.Store(scores + t);
      max = V::Max(max, s);
    }
    float lanes[16], largest;
    max.Store(lanes);
    largest = lanes[0];
    for (float lane : lanes) largest = lane > largest ? lane : largest;
    return largest;
  }
  // Scores become e^(score - max), those behind `tokens` 0. Their sum: vectors, then lanes,
  // pairwise.
  static float Exponentials(float* scores, int tokens, float max) {
    V e[kGqaPageTokens / 16];
    for (int i = 0; i < kGqaPageTokens / 16; ++i)
      ExpVec(V::Sub(V::Load(scores + 16 * i), V::Set1(max))).Store(scores + 16 * i);
    Fill(scores + tokens, kGqaPageTokens - tokens, 0);
    for (int i = 0; i < kGqaPageTokens / 16; ++i) e[i] = V::Load(scores + 16 * i);
    float lanes[16];
    V::Add(V::Add(e[0], e[1]), V::Add(e[2], e[3])).Store(lanes);
    for (int step = 8; step > 0; step /= 2)
      for (int i = 0; i < step; ++i) lanes[i] = lanes[i] + lanes[i + step];
    return lanes[0];
  }

  static void Run(const GqaSplitParams& p) {
    const int dim = p.head_dim, width = GqaWidth(dim), queries = p.rows * p.group;
    float* keys = p.scratch;                        // [dim][64]
    float* values = keys + width * kGqaPageTokens;  // [64][width]
    float* q = values + kGqaPageTokens * width;     // [queries][dim]
    float* scores = q + kGqaQueries * width;        // [queries][64]
    for (int row = 0; row < p.rows; ++row)
      std::memcpy(q + row * p.group * dim, p.q + row * p.q_stride, sizeof(float) * p.group * dim);
    float max[kGqaQueries], next[kGqaQueries], sum[kGqaQueries], page_sum[kGqaQueries],
        keep[kGqaQueries];
    Fill(max, kGqaQueries, -__builtin_inff());
    Fill(next, kGqaQueries, 0);
    Fill(sum, kGqaQueries, 0);
    Fill(page_sum, kGqaQueries, 0);
    Fill(p.mix, queries * width, 0);
    const V scale = V::Set1(p.scale);

    const int64_t last = p.context + p.rows - 1, split_end = p.token_begin + kGqaSplitTokens;
    const int64_t end = last < split_end ? last : split_end;
    for (int64_t begin = p.token_begin; begin < end; begin += kGqaPageTokens) {
      const auto tokens_of = [&](int row) {
        const int64_t left = p.context + row - begin;
        return left < kGqaPageTokens ? static_cast<int>(left) : kGqaPageTokens;
      };
      const int tokens = tokens_of(p.rows - 1);
      GqaPage<V>::Decode(p, p.kv + p.pages[begin / kGqaPageTokens] * p.page_stride, tokens, keys,
                         values);
      GqaMultiply<V>::Run(queries, q, dim, keys, kGqaPageTokens, dim, nullptr, scores,
                          kGqaPageTokens, (tokens + 15) / 16);
      for (int i = 0; i < queries; ++i) {
        const int mine = tokens_of(i / p.group);
        float* s = scores + i * kGqaPageTokens;
        const float largest = Scale(s, mine, scale);
        next[i] = max[i] > largest ? max[i] : largest;
        page_sum[i] = Exponentials(s, mine, next[i]);
      }
      for (int i = 0; i < queries; i += 16) {
        const V k = ExpVec(V::Sub(V::Load(max + i), V::Load(next + i)));
        k.Store(keep + i);
        V::Fma(V::Load(sum + i), k, V::Load(page_sum + i)).Store(sum + i);
        V::Load(next + i).Store(max + i);
      }
      // Only the last page cuts rows differently; there each row mixes its own tokens.
      const int rows_at_once = tokens_of(0) == tokens ? p.rows : 1;
      for (int row = 0; row < p.rows; row += rows_at_once) {
        const int first = row * p.group;
        GqaMultiply<V>::Run(rows_at_once * p.group, scores + first * kGqaPageTokens, kGqaPageTokens,
                            values, width, tokens_of(row), keep + first, p.mix + first * width,
                            width, width / 16);
      }
    }
    std::memcpy(p.max, max, sizeof(float) * queries);
    std::memcpy(p.sum, sum, sizeof(float) * queries);
  }
};

template <class V>
static void GqaSplitOn(const GqaSplitParams& params) {
  GqaKernel<V>::Run(params);
}

}  // namespace conclave::kernels
