#include <cmath>
#include <cstring>

#include "kernels/attention/mla_isa.h"
#include "kernels/attention/tile_params.h"
#include "kernels/base/dtypes.h"

namespace conclave::kernels {
namespace {

constexpr float kLog2e = 1.44269504088896341f;

// Where the packed channel `at` of a part of a query comes from.
template <bool kSplit>
constexpr int Source(int at) {
  return kSplit ? at / 32 * 32 + 2 * (at % 16) + at / 16 % 2 : at;
}

// `count` channels of R heads, from channel `base` on. Channel by channel: written in order, and
// what is read stays in the first-level cache.
template <bool kQuads, bool kSplit, int R>
void PackChannels(const float* q, int64_t stride, int rows, int count, int base, float scale,
                  float* out) {
  const int heads = R > 0 ? R : rows;
  for (int at = 0; at < count; ++at) {
    const int to = base + at;
    const float* from = q + Source<kSplit>(at);
    float* lanes = kQuads ? out + to / 4 * 2 * kTileLanes + to % 4 : out + to * kTileLanes;
    for (int h = 0; h < heads; ++h) lanes[kQuads ? 4 * h : h] = from[h * stride] * scale;
  }
}

// Heads head .. head + rows of a query, which lie in the same vectors.
template <bool kQuads, bool kSplit>
void PackHeads(const MlaQueryParams& p, int head, int rows, float* out) {
  constexpr int kAll = kQuads ? kTileLanes / 2 : kTileLanes;
  const auto pack =
      rows == kAll ? PackChannels<kQuads, kSplit, kAll> : PackChannels<kQuads, kSplit, 0>;
  const int latent = p.shape.latent;
  const float scale = p.scale * kLog2e;
  pack(p.q_latent + static_cast<int64_t>(head) * latent, latent, rows, latent, 0, scale, out);
  pack(p.q_rope + head * p.rope_stride, p.rope_stride, rows, p.shape.rope, latent, scale, out);
}

}  // namespace

int64_t MlaQueryFloats(int heads, const MlaCacheShape& shape) {
  return static_cast<int64_t>(MlaLanes(heads)) * (shape.latent + shape.rope);
}

int64_t MlaPageStride(const MlaCacheShape& shape) { return TileStride(shape.latent + shape.rope); }
int64_t MlaPageFloats(const MlaCacheShape& shape) {
  return 2 * kMlaPageTokens * MlaPageStride(shape);
}

void MlaPackQuery(const MlaQueryParams& p) {
  const int width = p.shape.latent + p.shape.rope;
  const bool split = MlaSplitOrder(p.shape);
  if (p.heads < MlaLanes(p.heads))
    std::memset(p.out, 0, sizeof(float) * MlaQueryFloats(p.heads, p.shape));
  if (MlaInQuads(p.heads, width))
    return (split ? PackHeads<true, true> : PackHeads<true, false>)(p, 0, p.heads, p.out);
  for (int head = 0; head < p.heads; head += kTileLanes) {
    const int rows = p.heads - head < kTileLanes ? p.heads - head : kTileLanes;
    const auto pack = split ? PackHeads<false, true> : PackHeads<false, false>;
    pack(p, head, rows, p.out + static_cast<int64_t>(head) * width);
  }
}

void MlaNormalise(const float* partial, const MlaCacheShape& shape, int heads, int head_begin,
                  int head_end, float* out) {
  const int lanes = MlaLanes(heads);
  const bool split = MlaSplitOrder(shape);
  for (int h = head_begin; h < head_end; ++h) {
    const float inverse = 1 / partial[lanes + h];
    const float* mix = partial + 2 * lanes + static_cast<int64_t>(h) * shape.latent;
    float* to = out + static_cast<int64_t>(h) * shape.latent;
    if (split) {
      for (int c = 0; c < shape.latent; c += 32, mix += 32, to += 32) {
        float scaled[32];
        for (int i = 0; i < 32; ++i) scaled[i] = mix[i] * inverse;
        for (int i = 0; i < 16; ++i) {
          to[2 * i] = scaled[i];
          to[2 * i + 1] = scaled[16 + i];
        }
      }
    } else {
      for (int c = 0; c < shape.latent; ++c) to[c] = mix[c] * inverse;
    }
  }
}

int64_t MlaPromptStride(int width, int channels) { return TileStride(width + channels); }

void MlaPackPromptQuery(const MlaPromptQueryParams& p) {
  const float scale = p.scale * kLog2e;
  for (int row = 0; row < p.rows; row += kMlaPromptRows) {
    float* block = p.out + static_cast<int64_t>(row) * p.width;
    if (p.rows - row < kMlaPromptRows)
      std::memset(block, 0, sizeof(float) * kMlaPromptRows * p.width);
    for (int i = 0; i < kMlaPromptRows && row + i < p.rows; ++i) {
      const float* q = p.q + (row + i) * p.row_stride;
      for (int d = 0; d < p.width; ++d) block[d * kMlaPromptRows + i] = q[d] * scale;
    }
  }
}

void MlaPromptFinish(const MlaPromptParams& p) {
  for (int row = 0; row < p.rows; ++row) {
    const float inverse = 1 / p.sum[row];
    float* mix = p.mix + row * p.mix_stride;
    for (int c = 0; c < p.channels; ++c) mix[c] *= inverse;
  }
}

void MlaEncodeToken(const MlaCacheShape& s, const float* values, uint8_t* token) {
  const auto store_bf16 = [](const float* from, int count, uint8_t* to) {
    for (int i = 0; i < count; ++i) {
      const uint16_t bits = EncodeBf16(from[i]);
      std::memcpy(to + 2 * i, &bits, 2);
    }
  };
  if (s.type == KvType::kF32) {
    std::memcpy(token, values, sizeof(float) * (s.latent + s.rope));
    return;
  }
  if (s.type == KvType::kBf16) return store_bf16(values, s.latent + s.rope, token);
  const int groups = MlaFp8Groups(s.latent);
  for (int group = 0; group < groups; ++group) {
    const int begin = group * kMlaFp8Group;
    const int end = begin + kMlaFp8Group < s.latent ? begin + kMlaFp8Group : s.latent;
    float most = 0;
    for (int i = begin; i < end; ++i)
      most = std::fabs(values[i]) > most ? std::fabs(values[i]) : most;
    const float scale = most / 448.0f;
    for (int i = begin; i < end; ++i)
      token[i] = scale > 0 ? EncodeE4m3(values[i] / scale) : uint8_t{0};
    std::memcpy(token + s.latent + 4 * group, &scale, 4);
  }
  store_bf16(values + s.latent, s.rope, token + s.latent + 4 * groups);
}

void MlaDecodeToken(const MlaCacheShape& s, const uint8_t* token, float* values) {
  const auto load_bf16 = [](const uint8_t* from, int count, float* to) {
    for (int i = 0; i < count; ++i) {
      uint16_t bits;
      std::memcpy(&bits, from + 2 * i, 2);
      to[i] = DecodeBf16(bits);
    }
  };
  if (s.type == KvType::kF32) {
    std::memcpy(values, token, sizeof(float) * (s.latent + s.rope));
    return;
  }
  if (s.type == KvType::kBf16) return load_bf16(token, s.latent + s.rope, values);
  for (int i = 0; i < s.latent; ++i) {
    float scale;
    std::memcpy(&scale, token + s.latent + i / kMlaFp8Group * 4, 4);
    values[i] = DecodeE4m3(token[i]) * scale;
  }
  load_bf16(token + s.latent + 4 * MlaFp8Groups(s.latent), s.rope, values + s.latent);
}

}  // namespace conclave::kernels
