// Multi-head latent attention. Decoding works in the absorbed form: queries multiplied into the
// latent space meet the cache [latent | rope] directly, and the answer is a mixture of latents.
// Prompts use keys and values expanded from the latents.
//
// Order (law 1): a row's context is cut into splits of kMlaSplitTokens, each cut into pages of
// kMlaPageTokens; pages are taken in order with the online softmax, the splits of a group of
// kMlaGroupSplits are merged in order, then the groups are. The cuts depend on positions alone.
// Scores and their maxima are in units of log2.
#pragma once

#include <cstdint>

#include "kernels/base/cpu_features.h"

namespace conclave::kernels {

inline constexpr int kMlaPageTokens = 64;
inline constexpr int kMlaSplitTokens = 256;
inline constexpr int kMlaGroupSplits = 4;
inline constexpr int kMlaFp8Group = 128;  // latents that share a scale

// How a cached token lies in memory:
//   kF32, kBf16   [latent + rope] values
//   kFp8          [latent] e4m3 codes, [ceil(latent / 128)] float32 scales, [rope] bf16
//   kInt16        [latent] 16-bit fixed point, [rope] 16-bit codes with a scale: mla_int16.h
enum class KvType : uint8_t { kF32, kBf16, kFp8, kInt16 };

constexpr int MlaFp8Groups(int latent) { return (latent + kMlaFp8Group - 1) / kMlaFp8Group; }

struct MlaCacheShape {
  KvType type = KvType::kF32;
  int latent = 0;
  int rope = 0;
  constexpr int64_t TokenBytes() const {
    const int64_t width = latent + rope;
    return type == KvType::kF32   ? 4 * width
           : type == KvType::kFp8 ? latent + 4 * MlaFp8Groups(latent) + 2 * rope
                                  : 2 * width;
  }
  // Whether kernels can attend to such tokens: the codes of kInt16 go by twos and by fours.
  constexpr bool Supported() const {
    return type != KvType::kInt16 || (latent % 2 == 0 && rope % 4 == 0 && rope > 0);
  }
  // Channels of a mixture in memory. Of kInt16 they lie in an order of the kernels' own, which
  // MlaNormalise undoes.
  constexpr int MixWidth() const {
    return type == KvType::kInt16 ? (latent + 31) / 32 * 32 : latent;
  }
};
// What a code of kInt16 counts.
static inline float MlaInt16Step(int latent) {
  return __builtin_sqrtf(static_cast<float>(latent)) / 32752.0f;
}

// values [latent + rope] to one cached token and back. kFp8: scale = largest magnitude / 448, so
// that a value is off by at most 2^-4 of itself or 2^-10 of the scale; a group of zeros has scale
// 0. kInt16: latents are off by at most half a step, the rotary part as mla_int16_rope.h says.
// `gain` [latent], of kInt16 only: what latents are multiplied by; null: 1.
void MlaEncodeToken(const MlaCacheShape& shape, const float* values, uint8_t* token);
void MlaDecodeToken(const MlaCacheShape& shape, const uint8_t* token, float* values,
                    const float* gain = nullptr);

// A piece of one row's context: tokens [begin, end) of the sequence whose page p is pages[p].
struct MlaSpan {
  const int32_t* pages = nullptr;
  int64_t begin = 0;  // a multiple of kMlaSplitTokens
  int64_t end = 0;    // at most begin + kMlaSplitTokens; not above begin: an empty span
};

// Queries of one row in the order that the kernel reads.
struct MlaQueryParams {
  MlaCacheShape shape;
  int heads = 0;
  float scale = 1;                  // of the softmax
  const float* q_latent = nullptr;  // [heads, latent]
  const float* gain = nullptr;      // as with MlaDecodeToken
  const float* q_rope = nullptr;    // [heads, rope_stride]
  int64_t rope_stride = 0;
  float* out = nullptr;  // MlaQueryFloats()
  // Fetched into the second-level cache meanwhile: the page that this thread reads next, or null.
  const uint8_t* ahead = nullptr;
  int64_t ahead_bytes = 0;
};
int64_t MlaQueryFloats(int heads, const MlaCacheShape& shape);
void MlaPackQuery(const MlaQueryParams& params, Isa isa);

int64_t MlaScratchFloats(const MlaCacheShape& shape);  // 0 for kF32

// All heads of one row over one split.
struct MlaSplitParams {
  MlaCacheShape shape;
  int heads = 0;
  // Token t of page number i lies at kv + pages[i] * page_stride + t * shape.TokenBytes(). Memory
  // of all kMlaPageTokens can be read, also behind the span.
  const uint8_t* kv = nullptr;
  int64_t page_stride = 0;  // bytes
  MlaSpan span;
  MlaSpan next;              // what this thread does afterwards, to be fetched ahead; may be empty
  const float* q = nullptr;  // of MlaPackQuery
  float* scratch = nullptr;  // MlaScratchFloats(), of this thread
  float* max = nullptr;      // [MlaLanes(heads)] out
  float* sum = nullptr;      // [MlaLanes(heads)] out: sum of 2^(score - max)
  float* mix = nullptr;      // [heads, MixWidth()] out: sum of 2^(score - max) * latent
};
constexpr int MlaLanes(int heads) { return (heads + 15) / 16 * 16; }
// Floats of one result: max, sum, mixture.
constexpr int64_t MlaPartialFloats(int heads, const MlaCacheShape& shape) {
  return 2 * static_cast<int64_t>(MlaLanes(heads)) + static_cast<int64_t>(heads) * shape.MixWidth();
}
void MlaSplit(const MlaSplitParams& params, Isa isa);

// Merges the results of later splits into the result of the ones before, in order, for heads
// [head_begin, head_end). Results are laid out as MlaPartialFloats() says.
struct MlaMergeParams {
  MlaCacheShape shape;
  int heads = 0;
  int head_begin = 0, head_end = 0;
  float* into = nullptr;
  const float* parts = nullptr;  // [count, part_stride]
  int count = 0;
  int64_t part_stride = 0;  // 0: MlaPartialFloats()
};
void MlaMerge(const MlaMergeParams& params, Isa isa);

// out [heads, latent] = mixture / sum * gain, for heads [head_begin, head_end).
void MlaNormalise(const float* partial, const MlaCacheShape& shape, const float* gain, int heads,
                  int head_begin, int head_end, float* out);

// The oracle in float64: out [heads, latent] over tokens 0 .. span.end - 1, queries as they came.
void MlaRef(const MlaSplitParams& params, const MlaQueryParams& query, float* out);

}  // namespace conclave::kernels
