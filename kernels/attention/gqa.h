// Attention with grouped heads: `group` query heads share one KV head, whose keys and values lie in
// the paged cache. All queries of a call, those of several rows included, read a page together.
//
// Order (law 1): a row's context is cut into splits of kGqaSplitTokens tokens, each cut into pages
// of kGqaPageTokens; pages are taken in order with the online softmax, splits are merged in order.
// Both cuts depend on the position alone, and a query's arithmetic on no other query.
#pragma once

#include <cstdint>

#include "kernels/base/cpu_features.h"

namespace conclave::kernels {

inline constexpr int kGqaPageTokens = 64;
inline constexpr int kGqaSplitTokens = 1024;
inline constexpr int kGqaQueries = 32;  // the most queries of one call

// One split of `rows` consecutive positions of one sequence and one KV head. Query i belongs to row
// i / group. The last tokens of all rows must lie in one page.
struct GqaSplitParams {
  int head_dim = 0;
  int group = 1;  // query heads per row, all of this KV head
  int rows = 1;   // rows * group <= kGqaQueries
  float scale = 1;
  bool kv_bf16 = false;
  // The key of token t of page number i: head_dim values at kv + pages[i] * page_stride + t *
  // token_stride; its value lies value_offset behind. Strides in bytes.
  const uint8_t* kv = nullptr;
  int64_t page_stride = 0;
  int64_t token_stride = 0;
  int64_t value_offset = 0;
  const int32_t* pages = nullptr;
  int64_t token_begin = 0;   // of the split: a multiple of kGqaSplitTokens
  int64_t context = 0;       // tokens that the first row sees; row r sees context + r
  const float* q = nullptr;  // row r, head g: head_dim values at q + r * q_stride + g * head_dim
  int64_t q_stride = 0;      // values
  float* scratch = nullptr;  // GqaScratchFloats(head_dim)
  float* max = nullptr;      // [rows * group] out: largest score
  float* sum = nullptr;      // [rows * group] out: sum of e^(score - max)
  float* mix = nullptr;  // [rows * group][GqaWidth(head_dim)] out: sum of e^(score - max) * value
};

// Values of one mixture in memory: head_dim, rounded up to whole vectors.
static constexpr int GqaWidth(int head_dim) { return (head_dim + 15) / 16 * 16; }
// A page's keys transposed and its values, the queries, their scores.
static constexpr int64_t GqaScratchFloats(int head_dim) {
  return static_cast<int64_t>(2 * kGqaPageTokens + kGqaQueries) * GqaWidth(head_dim) +
         kGqaQueries * kGqaPageTokens;
}

void GqaSplit(const GqaSplitParams& params, Isa isa);

// Merges the splits of all queries of a call, laid out one split after the other, and normalises.
struct GqaMergeParams {
  int splits = 1;
  int head_dim = 0;
  int group = 1;
  int rows = 1;
  const float* max = nullptr;  // [splits][rows * group]
  const float* sum = nullptr;  // [splits][rows * group]
  const float* mix = nullptr;  // [splits][rows * group][GqaWidth(head_dim)]
  float* out = nullptr;    // row r, head g: head_dim values at out + r * out_stride + g * head_dim
  int64_t out_stride = 0;  // values
};
void GqaMerge(const GqaMergeParams& params);

// The oracle in float64: out [rows * group][head_dim] over each row's whole context.
void GqaRef(const GqaSplitParams& params, float* out);

void GqaSplitPortable(const GqaSplitParams& params);
void GqaSplitAvx2(const GqaSplitParams& params);
void GqaSplitAvx512(const GqaSplitParams& params);

}  // namespace conclave::kernels
