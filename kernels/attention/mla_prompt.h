// Latent attention of prompts: keys and values expanded from the latents, one head at a time.
//
// Order (law 1): pages of kMlaPageTokens by absolute position, in order, with the online softmax;
// within a page as attention/tile_params.h says. A row sees no trace of the rows and of the later
// tokens that are computed with it: those have weights of exactly 0.
#pragma once

#include "kernels/attention/mla.h"

namespace conclave::kernels {

inline constexpr int kMlaPromptRows = 16;  // of a block

// Cached tokens as float32, in the order of the cache: out [tokens, out_stride].
struct MlaDecodeParams {
  MlaCacheShape shape;
  const uint8_t* page = nullptr;  // its first token
  int tokens = 0;
  const float* gain = nullptr;  // as with MlaDecodeToken
  float* out = nullptr;
  int64_t out_stride = 0;
};
void MlaDecodePage(const MlaDecodeParams& params, Isa isa);

// q [rows, row_stride], the first `width` of each are the query of this head, to out [row blocks]
// [width][kMlaPromptRows]; lanes without a row are zero.
struct MlaPromptQueryParams {
  const float* q = nullptr;
  int64_t row_stride = 0;
  int rows = 0;
  int width = 0;
  float scale = 1;  // of the softmax
  float* out = nullptr;
};
void MlaPackPromptQuery(const MlaPromptQueryParams& params);

// One head: rows at consecutive positions attend to tokens [token_begin, token_begin + tokens).
// To be called for all tokens up to the last row's position in order, from token 0 on.
struct MlaPromptParams {
  const float* kv = nullptr;  // [tokens, stride]: key [width], then value [channels]
  int64_t stride = 0;         // MlaPromptStride()
  int width = 0;
  int channels = 0;
  int64_t token_begin = 0;  // a multiple of kMlaPageTokens
  int tokens = 0;
  const float* q = nullptr;  // of MlaPackPromptQuery
  int rows = 0;
  int64_t position = 0;  // of the first row
  float* max = nullptr;  // [row blocks * kMlaPromptRows]: state
  float* sum = nullptr;  // the same
  float* mix = nullptr;  // [rows, mix_stride], the first `channels` of each: state
  int64_t mix_stride = 0;
};
int64_t MlaPromptStride(int width, int channels);
void MlaPrompt(const MlaPromptParams& params, Isa isa);

// mix / sum in place, when all tokens were attended to.
void MlaPromptFinish(const MlaPromptParams& params);

}  // namespace conclave::kernels
