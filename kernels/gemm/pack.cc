#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/base/dtypes.h"
#include "kernels/base/fp8_code.h"
#include "kernels/base/fp8_int16.h"
#include "kernels/gemm/packed_matrix.h"

namespace conclave::kernels {
namespace {

int ElementBytes(WeightType type) { return 4 / GroupSize(type); }

float SourceScale(const WeightSource& s, int64_t row, int64_t col) {
  float scale;
  const int64_t scale_cols = (s.cols + kKBlock - 1) / kKBlock;
  std::memcpy(&scale, s.scales + 4 * ((row / kKBlock) * scale_cols + col / kKBlock), 4);
  return scale;
}

float SourceValue(const WeightSource& s, int64_t row, int64_t col) {
  const uint8_t* p = s.data + (row * s.cols + col) * ElementBytes(s.type);
  if (s.type == WeightType::kFp8) return DecodeE4m3(*p) * SourceScale(s, row, col);
  if (s.type == WeightType::kBf16) {
    uint16_t bits;
    std::memcpy(&bits, p, 2);
    return DecodeBf16(bits);
  }
  float value;
  std::memcpy(&value, p, 4);
  return value;
}

bool HasNan(const PackSpec& spec, int64_t* bad_row, int64_t* bad_col) {
  const int64_t begin = spec.row_begin * spec.source.cols,
                end = begin + spec.row_count * spec.source.cols;
  // Without a branch per code, so that it vectorises.
  constexpr int64_t kStride = 4096;
  for (int64_t i = begin; i < end; i += kStride) {
    const int64_t stop = std::min(end, i + kStride);
    uint8_t any = 0;
    for (int64_t j = i; j < stop; ++j) any |= (spec.source.data[j] & 0x7f) == 0x7f;
    if (!any) continue;
    for (int64_t j = i; j < stop; ++j) {
      if ((spec.source.data[j] & 0x7f) != 0x7f) continue;
      *bad_row = j / spec.source.cols;
      *bad_col = j % spec.source.cols;
      return true;
    }
  }
  return false;
}

// Sixteen rows of `bytes` bytes become 4-byte pieces side by side. `rows` beyond the matrix are
// null.
void Interleave(const uint8_t* const* rows, int64_t bytes, int64_t stride, uint8_t* out) {
  const int64_t whole = bytes / 4, rest = bytes % 4;
  for (int lane = 0; lane < kTile; ++lane) {
    const uint8_t* from = rows[lane];
    uint8_t* to = out + lane * 4;
    if (from == nullptr) {
      for (int64_t g = 0; g < whole + (rest > 0); ++g) std::memset(to + g * stride, 0, 4);
      continue;
    }
    for (int64_t g = 0; g < whole; ++g) std::memcpy(to + g * stride, from + g * 4, 4);
    if (rest > 0) {
      std::memset(to + whole * stride, 0, 4);
      std::memcpy(to + whole * stride, from + whole * 4, rest);
    }
  }
}

// Rows as they are. A bounded number of columns at a time keeps both sides in the cache.
void PackRows(const PackSpec& spec, const PackedMatrix& m, uint8_t* out) {
  const int64_t row_bytes = spec.source.cols * ElementBytes(spec.source.type);
  constexpr int64_t kColumns = 1024;  // bytes
  for (int tile = 0; tile < m.tiles(); ++tile) {
    const int panel = tile / kPanelTiles;
    const int64_t stride = m.panel_tiles(panel) * 64;
    uint8_t* dst = out + m.group_offset(tile * kTile, 0);
    for (int64_t begin = 0; begin < row_bytes; begin += kColumns) {
      const uint8_t* rows[kTile];
      for (int lane = 0; lane < kTile; ++lane) {
        const int n = tile * kTile + lane;
        rows[lane] =
            n < m.n ? spec.source.data + (spec.row_begin + n) * row_bytes + begin : nullptr;
      }
      Interleave(rows, std::min(kColumns, row_bytes - begin), stride, dst + begin / 4 * stride);
    }
  }
}

// Element by element: the transposed form, and e4m3 that becomes float32.
void PackElements(const PackSpec& spec, const PackedMatrix& m, uint8_t* out) {
  std::memset(out, 0, m.data_bytes());
  const int group = GroupSize(m.type), bytes = 4 / group;
  const bool convert = m.type == WeightType::kF32 && spec.source.type != WeightType::kF32;
  for (int k = 0; k < m.k; ++k) {
    for (int n = 0; n < m.n; ++n) {
      const int64_t row = spec.row_begin + (spec.transposed ? k : n), col = spec.transposed ? n : k;
      uint8_t* dst = out + m.group_offset(n, k / group) + k % group * bytes;
      if (convert) {
        const float value = SourceValue(spec.source, row, col);
        std::memcpy(dst, &value, 4);
      } else {
        std::memcpy(dst, spec.source.data + (row * spec.source.cols + col) * bytes, bytes);
      }
    }
  }
}

// e4m3 in place to the packed form, and the flags of irregular groups.
void RewriteFp8(const PackedMatrix& m, const PackedMemory& memory) {
  std::array<uint8_t, 256> code;
  for (int i = 0; i < 256; ++i) code[i] = ToPackedFp8(static_cast<uint8_t>(i));
  const int phase_groups = m.k_phase / 4, block_groups = kKBlock / 4;
  for (int panel = 0; panel < m.panels(); ++panel) {
    uint32_t* flags = memory.irregular + static_cast<int64_t>(panel) * m.k_blocks();
    std::fill_n(flags, m.k_blocks(), 0u);
    const int bytes = m.panel_tiles(panel) * 64;
    uint8_t* p = memory.data + m.panel_offset(panel);
    for (int group = 0; group < m.groups(); ++group, p += bytes) {
      uint32_t any = 0;
      for (int i = 0; i < bytes; ++i) {
        p[i] = code[p[i]];
        any |= IsIrregularFp8(p[i]);
      }
      const int at = group + phase_groups;
      flags[at / block_groups] |= any << at % block_groups;
    }
  }
}

// e4m3 in place to the form for int16 sums.
void RewriteFp8Int16(const PackedMatrix& m, uint8_t* data) {
  std::array<uint8_t, 256> code;
  for (int i = 0; i < 256; ++i) code[i] = ToPackedFp8Int16(static_cast<uint8_t>(i));
  for (uint8_t *p = data, *end = data + m.data_bytes(); p < end; p += 4) {
    const uint8_t group[4] = {code[p[0]], code[p[1]], code[p[2]], code[p[3]]};
    for (int j = 0; j < 4; ++j) p[Fp8Int16Byte(j)] = group[j];
  }
}

void WriteFp8Scales(const PackSpec& spec, const PackedMatrix& m, float* scales) {
  const float unit = m.type == WeightType::kFp8Int16 ? kFp8Int16Unit : kFp8Shift;
  for (int tile = 0; tile < m.tiles(); ++tile) {
    for (int block = 0; block < m.k_blocks(); ++block) {
      const int64_t along_n = tile * kTile, along_k = static_cast<int64_t>(block) * kKBlock;
      scales[tile * m.k_blocks() + block] =
          unit * (spec.transposed
                      ? SourceScale(spec.source, spec.row_begin - m.k_phase + along_k, along_n)
                      : SourceScale(spec.source, spec.row_begin + along_n, along_k));
    }
  }
}

// One row of the source in float32.
void DecodeRow(const WeightSource& s, int64_t row, const std::array<float, 256>& e4m3, float* out) {
  if (s.type != WeightType::kFp8) {
    for (int64_t i = 0; i < s.cols; ++i) out[i] = SourceValue(s, row, i);
    return;
  }
  const uint8_t* codes = s.data + row * s.cols;
  for (int64_t begin = 0; begin < s.cols; begin += kKBlock) {
    const float scale = SourceScale(s, row, begin);
    const int64_t end = std::min<int64_t>(s.cols, begin + kKBlock);
    for (int64_t i = begin; i < end; ++i) out[i] = e4m3[codes[i]] * scale;
  }
}

// The first value of a block that is no finite number, or -1.
int64_t NotFinite(const float* values) {
  uint32_t bad = 0;  // without a branch per value, so that it vectorises
  for (int i = 0; i < kKBlock; ++i)
    bad |= (std::bit_cast<uint32_t>(values[i]) & 0x7f800000u) == 0x7f800000u;
  for (int i = 0; bad && i < kKBlock; ++i)
    if (!std::isfinite(values[i])) return i;
  return -1;
}

// Requantises per channel and block of input channels, to int8 plus 128 or to int16. False, with
// the position, when a value is not finite.
template <class Code, int kLargest, int kOffset>
bool PackIntegers(const PackSpec& spec, const PackedMatrix& m, const PackedMemory& out,
                  int64_t* bad_row, int64_t* bad_col) {
  constexpr int kGroup = 4 / sizeof(Code);
  std::array<float, 256> e4m3;
  for (int i = 0; i < 256; ++i) e4m3[i] = DecodeE4m3(static_cast<uint8_t>(i));
  std::vector<float> row(static_cast<size_t>(m.k_blocks()) * kKBlock);
  for (int n = 0; n < m.tiles() * kTile; ++n) {
    if (n < m.n) {
      DecodeRow(spec.source, spec.row_begin + n, e4m3, row.data());
    } else {
      std::fill(row.begin(), row.end(), 0.0f);
    }
    const int64_t stride = m.panel_tiles(n / kTile / kPanelTiles) * 64;
    uint8_t* data = out.data + m.group_offset(n, 0);
    for (int block = 0; block < m.k_blocks(); ++block) {
      const float* values = row.data() + block * kKBlock;
      if (const int64_t at = NotFinite(values); at >= 0) {
        *bad_row = spec.row_begin + n;
        *bad_col = block * kKBlock + at;
        return false;
      }
      float amax = 0;
      for (int i = 0; i < kKBlock; ++i) amax = std::max(amax, std::abs(values[i]));
      // Blocks of smaller values become 0: the inverse would overflow.
      constexpr float kSmallest = 1e-30f;
      const bool zero = amax <= kSmallest;
      out.scales[(static_cast<int64_t>(n / kTile) * m.k_blocks() + block) * kTile + n % kTile] =
          zero ? 0.0f : amax / kLargest;
      const float inverse = zero ? 0.0f : kLargest / amax;
      const int begin = block * kKBlock / kGroup,
                end = std::min(begin + kKBlock / kGroup, m.groups());
      for (int g = begin; g < end; ++g) {
        Code codes[kGroup];
        for (int j = 0; j < kGroup; ++j) {
          // Adding 1.5 * 2^23 rounds to an integer, ties to even.
          const float rounded = values[(g - begin) * kGroup + j] * inverse + 12582912.0f;
          codes[j] = static_cast<Code>(std::bit_cast<uint32_t>(rounded) - 0x4b400000u + kOffset);
        }
        std::memcpy(data + g * stride, codes, 4);
      }
    }
  }
  return true;
}

}  // namespace

PackedMatrix PlanPack(const PackSpec& spec) {
  PackedMatrix m;
  m.type = spec.source.type;
  m.n = static_cast<int>(spec.transposed ? spec.source.cols : spec.row_count);
  m.k = static_cast<int>(spec.transposed ? spec.row_count : spec.source.cols);
  if (spec.to_int8) {
    m.type = WeightType::kInt8;
    m.activations = ActivationQuant::kInt8;
  } else if (m.type == WeightType::kFp8) {
    const int64_t phase = spec.row_begin % kKBlock;
    // A tile must lie in one scale row; a group of four in one scale block.
    if (spec.transposed ? phase % 4 != 0 : phase % kTile != 0) {
      m.type = WeightType::kF32;
    } else if (spec.transposed) {
      m.k_phase = static_cast<int>(phase);
    }
    if (spec.to_int16 && m.type == WeightType::kFp8 && m.k_phase == 0)
      m.type = WeightType::kFp8Int16;
  } else if (spec.to_int16 && m.type == WeightType::kBf16 && !spec.transposed) {
    m.type = WeightType::kInt16;
  }
  if (m.type == WeightType::kFp8Int16 || m.type == WeightType::kInt16)
    m.activations = ActivationQuant::kInt16;
  return m;
}

bool Pack(const PackSpec& spec, const PackedMemory& memory, int64_t* bad_row, int64_t* bad_col) {
  if (spec.source.type == WeightType::kFp8 && HasNan(spec, bad_row, bad_col)) return false;
  const PackedMatrix m = PlanPack(spec);
  if (m.type == WeightType::kInt8)
    return PackIntegers<uint8_t, 127, 128>(spec, m, memory, bad_row, bad_col);
  if (m.type == WeightType::kInt16)
    return PackIntegers<int16_t, kFp8Int16Largest, 0>(spec, m, memory, bad_row, bad_col);
  const bool e4m3 = m.type == WeightType::kFp8 || m.type == WeightType::kFp8Int16;
  if (!spec.transposed && (e4m3 || m.type == spec.source.type)) {
    PackRows(spec, m, memory.data);
  } else {
    PackElements(spec, m, memory.data);
  }
  if (m.type == WeightType::kFp8) RewriteFp8(m, memory);
  if (m.type == WeightType::kFp8Int16) RewriteFp8Int16(m, memory.data);
  if (e4m3) WriteFp8Scales(spec, m, memory.scales);
  return true;
}

float PackedValue(const PackedMatrix& m, int out, int in) {
  const int group = GroupSize(m.type);
  const uint8_t* p = m.data + m.group_offset(out, in / group) + in % group * (4 / group);
  const int block = (in + m.k_phase) / kKBlock;
  switch (m.type) {
    case WeightType::kFp8Int16:
      return static_cast<float>(Fp8Int16Value(p[Fp8Int16Byte(in % 4) - in % 4])) *
             m.scales[out / kTile * m.k_blocks() + block];
    case WeightType::kFp8:
      return PackedFp8Value(*p) * m.scales[out / kTile * m.k_blocks() + block];
    case WeightType::kInt8:
    case WeightType::kInt16: {
      int16_t word;
      std::memcpy(&word, p, 2);
      return static_cast<float>(m.type == WeightType::kInt16 ? word : *p - 128) *
             m.scales[(static_cast<int64_t>(out / kTile) * m.k_blocks() + block) * kTile +
                      out % kTile];
    }
    case WeightType::kBf16: {
      uint16_t bits;
      std::memcpy(&bits, p, 2);
      return DecodeBf16(bits);
    }
    default: {
      float value;
      std::memcpy(&value, p, 4);
      return value;
    }
  }
}

}  // namespace conclave::kernels
