#include <cmath>
#include <cstring>

#include "kernels/attention/mla_int16.h"
#include "kernels/attention/mla_int16_rope.h"
#include "kernels/attention/mla_isa.h"
#include "kernels/attention/tile_params.h"
#include "kernels/base/dtypes.h"

namespace conclave::kernels {
namespace {

constexpr float kLog2e = 1.44269504088896341f;

// `count` channels of R heads, from channel `base` on. Channel by channel: written in order, and
// what is read stays in the first-level cache.
template <bool kQuads, int R>
void PackChannels(const float* q, int64_t stride, int rows, int count, int base, float scale,
                  float* out) {
  const int heads = R > 0 ? R : rows;
  for (int at = 0; at < count; ++at) {
    const int to = base + at;
    const float* from = q + at;
    float* lanes = kQuads ? out + to / 4 * 2 * kTileLanes + to % 4 : out + to * kTileLanes;
    for (int h = 0; h < heads; ++h) lanes[kQuads ? 4 * h : h] = from[h * stride] * scale;
  }
}

// Heads head .. head + rows of a query, which lie in the same vectors.
template <bool kQuads>
void PackHeads(const MlaQueryParams& p, int head, int rows, float* out) {
  constexpr int kAll = kQuads ? kTileLanes / 2 : kTileLanes;
  const auto pack = rows == kAll ? PackChannels<kQuads, kAll> : PackChannels<kQuads, 0>;
  const int latent = p.shape.latent;
  const float scale = p.scale * kLog2e;
  pack(p.q_latent + static_cast<int64_t>(head) * latent, latent, rows, latent, 0, scale, out);
  pack(p.q_rope + head * p.rope_stride, p.rope_stride, rows, p.shape.rope, latent, scale, out);
}

// Mixtures of 32 channels lie as O::Weave makes them.
void NormaliseInt16(const float* mix, const MlaCacheShape& shape, const float* gain, float inverse,
                    float* out) {
  float straight[32];
  for (int c = 0; c < shape.latent; c += 32, mix += 32) {
    for (int i = 0; i < 32; i += 8) {
      for (int j = 0; j < 4; ++j) {
        straight[i + j] = mix[i / 2 + j] * inverse;
        straight[i + 4 + j] = mix[16 + i / 2 + j] * inverse;
      }
    }
    const int count = shape.latent - c < 32 ? shape.latent - c : 32;
    for (int i = 0; i < count; ++i)
      out[c + i] = gain == nullptr ? straight[i] : straight[i] * gain[c + i];
  }
}

// To the nearest code of kInt16.
int16_t FixedPoint(float value, float per_step) {
  float x = value * per_step;
  x = x > -32767.0f ? x : -32767.0f;  // what is not a number too
  x = x < 32767.0f ? x : 32767.0f;
  constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  return static_cast<int16_t>((x + kMagic) - kMagic);
}

}  // namespace

int64_t MlaQueryFloats(int heads, const MlaCacheShape& shape) {
  if (shape.type == KvType::kInt16)
    return MlaLanes(heads) / kTileLanes * Int16Query::BlockFloats(heads, shape);
  return static_cast<int64_t>(MlaLanes(heads)) * (shape.latent + shape.rope);
}

int64_t MlaScratchFloats(const MlaCacheShape& shape) {
  if (shape.type == KvType::kF32) return 0;
  if (shape.type != KvType::kInt16) return kMlaPageTokens * TileStride(shape.latent + shape.rope);
  const int copied = shape.MixWidth() == shape.latent ? 0 : shape.MixWidth() / 2;
  return kMlaPageTokens * copied;
}

void MlaPackQuery(const MlaQueryParams& p, Isa isa) {
  if (p.shape.type == KvType::kInt16) {
    return (isa == Isa::kAvx512 ? MlaPackInt16Avx512
            : isa == Isa::kAvx2 ? MlaPackInt16Avx2
                                : MlaPackInt16Portable)(p);
  }
  for (int64_t i = 0; i < p.ahead_bytes; i += 64) __builtin_prefetch(p.ahead + i, 0, 2);
  const int width = p.shape.latent + p.shape.rope;
  if (p.heads < MlaLanes(p.heads))
    std::memset(p.out, 0, sizeof(float) * MlaQueryFloats(p.heads, p.shape));
  if (MlaInQuads(p.heads, width)) return PackHeads<true>(p, 0, p.heads, p.out);
  for (int head = 0; head < p.heads; head += kTileLanes) {
    const int rows = p.heads - head < kTileLanes ? p.heads - head : kTileLanes;
    PackHeads<false>(p, head, rows, p.out + static_cast<int64_t>(head) * width);
  }
}

void MlaNormalise(const float* partial, const MlaCacheShape& shape, const float* gain, int heads,
                  int head_begin, int head_end, float* out) {
  const int lanes = MlaLanes(heads);
  for (int h = head_begin; h < head_end; ++h) {
    const float inverse = 1 / partial[lanes + h];
    const float* mix = partial + 2 * lanes + static_cast<int64_t>(h) * shape.MixWidth();
    float* to = out + static_cast<int64_t>(h) * shape.latent;
    if (shape.type == KvType::kInt16) {
      NormaliseInt16(mix, shape, gain, inverse, to);
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
  if (s.type == KvType::kInt16) {
    const float per_step = 1 / MlaInt16Step(s.latent);
    for (int i = 0; i < s.latent; ++i) {
      const int16_t code = FixedPoint(values[i], per_step);
      std::memcpy(token + 2 * i, &code, 2);
    }
    return EncodeInt16Rope(values + s.latent, s.rope, token + 2 * s.latent);
  }
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

void MlaDecodeToken(const MlaCacheShape& s, const uint8_t* token, float* values,
                    const float* gain) {
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
  if (s.type == KvType::kInt16) {
    const float step = MlaInt16Step(s.latent);
    for (int i = 0; i < s.latent; ++i) {
      int16_t code;
      std::memcpy(&code, token + 2 * i, 2);
      values[i] = static_cast<float>(code) * step * (gain == nullptr ? 1.0f : gain[i]);
    }
    return DecodeInt16Rope(token + 2 * s.latent, s.rope, values + s.latent);
  }
  for (int i = 0; i < s.latent; ++i) {
    float scale;
    std::memcpy(&scale, token + s.latent + i / kMlaFp8Group * 4, 4);
    values[i] = DecodeE4m3(token[i]) * scale;
  }
  load_bf16(token + s.latent + 4 * MlaFp8Groups(s.latent), s.rope, values + s.latent);
}

}  // namespace conclave::kernels
