// Multi-head latent attention in the absorbed form: queries already multiplied into the latent
// space meet the cache [latent | rope] directly, and the answer is a mixture of latents. One vector
// lane is one head, so a cached token is read once for 16 heads.
//
// Order (law 1): a row's context is cut into splits of kSplitTokens tokens, each cut into pages of
// kPageTokens; pages are taken in order with the online softmax, splits are merged in order. Both
// cuts depend on the position alone.
#pragma once

#include <cstdint>

#include "kernels/base/cpu_features.h"

namespace conclave::kernels {

inline constexpr int kMlaPageTokens = 64;
inline constexpr int kMlaSplitTokens = 1024;
inline constexpr int kMlaHeads = 16;  // heads of one block, one per lane

// One split of one row and one block of heads.
struct MlaSplitParams {
  int latent = 0;  // values of the latent part: keys and values
  int rope = 0;    // values of the rotary part: keys only
  float scale = 1;
  bool kv_bf16 = false;
  // Token t of page number i lies at kv + pages[i] * page_stride + t * (latent + rope) *
  // sizeof(value).
  const uint8_t* kv = nullptr;
  int64_t page_stride = 0;  // bytes
  const int32_t* pages = nullptr;
  int64_t token_begin = 0;        // a multiple of kMlaSplitTokens
  int64_t token_end = 0;          // at most token_begin + kMlaSplitTokens, more than token_begin
  const float* q = nullptr;       // [latent + rope][kMlaHeads]
  float* page_scratch = nullptr;  // [kMlaPageTokens, latent + rope], used with kv_bf16
  float* max = nullptr;           // [kMlaHeads] out: largest score
  float* sum = nullptr;           // [kMlaHeads] out: sum of e^(score - max)
  float* mix = nullptr;           // [latent][kMlaHeads] out: sum of e^(score - max) * latent
};

void MlaSplit(const MlaSplitParams& params, Isa isa);

// Merges `splits` results of one row and head block, laid out one after the other, and normalises.
struct MlaMergeParams {
  int splits = 1;
  int latent = 0;
  int heads = kMlaHeads;       // heads in use, the first lanes
  const float* max = nullptr;  // [splits][kMlaHeads]
  const float* sum = nullptr;  // [splits][kMlaHeads]
  const float* mix = nullptr;  // [splits][latent][kMlaHeads]
  float* out = nullptr;        // [heads][latent]
};
void MlaMerge(const MlaMergeParams& params);

// The oracle in float64: out [kMlaHeads][latent] over tokens 0 .. token_end - 1.
void MlaRef(const MlaSplitParams& params, float* out);

void MlaSplitPortable(const MlaSplitParams& params);
void MlaSplitAvx2(const MlaSplitParams& params);
void MlaSplitAvx512(const MlaSplitParams& params);

}  // namespace conclave::kernels
