#include <cstring>

#include "kernels/base/dtypes.h"
#include "kernels/gemm/packed_matrix.h"

namespace conclave::kernels {
namespace {

int ElementBytes(WeightType type) {
  return type == WeightType::kFp8 ? 1 : type == WeightType::kBf16 ? 2 : 4;
}

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
  for (int64_t i = begin; i < end; ++i) {
    if ((spec.source.data[i] & 0x7f) != 0x7f) continue;
    *bad_row = i / spec.source.cols;
    *bad_col = i % spec.source.cols;
    return true;
  }
  return false;
}

// Rows as they are: 4-byte pieces of 16 rows side by side.
void PackRows(const PackSpec& spec, const PackedMatrix& m, uint8_t* out) {
  const int64_t row_bytes = spec.source.cols * ElementBytes(spec.source.type);
  for (int tile = 0; tile < m.tiles(); ++tile) {
    for (int lane = 0; lane < kTile; ++lane) {
      const int n = tile * kTile + lane;
      uint8_t* dst = out + tile * m.tile_bytes() + lane * 4;
      if (n >= m.n) {
        for (int g = 0; g < m.groups(); ++g) std::memset(dst + g * 64, 0, 4);
        continue;
      }
      const uint8_t* src = spec.source.data + (spec.row_begin + n) * row_bytes;
      const int64_t whole = row_bytes / 4;
      for (int64_t g = 0; g < whole; ++g) std::memcpy(dst + g * 64, src + g * 4, 4);
      if (whole < m.groups()) {
        std::memset(dst + whole * 64, 0, 4);
        std::memcpy(dst + whole * 64, src + whole * 4, row_bytes - whole * 4);
      }
    }
  }
}

// Element by element: the transposed form, and e4m3 that becomes float32.
void PackElements(const PackSpec& spec, const PackedMatrix& m, uint8_t* out) {
  std::memset(out, 0, m.data_bytes());
  const int group = GroupSize(m.type), bytes = 4 / group;
  const bool convert = m.type != spec.source.type;
  for (int k = 0; k < m.k; ++k) {
    for (int n = 0; n < m.n; ++n) {
      const int64_t row = spec.row_begin + (spec.transposed ? k : n), col = spec.transposed ? n : k;
      uint8_t* dst = out + (n / kTile) * m.tile_bytes() + (k / group) * 64 + (n % kTile) * 4 +
                     (k % group) * bytes;
      if (convert) {
        const float value = SourceValue(spec.source, row, col);
        std::memcpy(dst, &value, 4);
      } else {
        std::memcpy(dst, spec.source.data + (row * spec.source.cols + col) * bytes, bytes);
      }
    }
  }
}

}  // namespace

PackedMatrix PlanPack(const PackSpec& spec) {
  PackedMatrix m;
  m.type = spec.source.type;
  m.n = static_cast<int>(spec.transposed ? spec.source.cols : spec.row_count);
  m.k = static_cast<int>(spec.transposed ? spec.row_count : spec.source.cols);
  if (m.type == WeightType::kFp8) {
    const int64_t phase = spec.row_begin % kKBlock;
    // A tile must lie in one scale row; a group of four in one scale block.
    if (spec.transposed ? phase % 4 != 0 : phase % kTile != 0) {
      m.type = WeightType::kF32;
    } else if (spec.transposed) {
      m.k_phase = static_cast<int>(phase);
    }
  }
  return m;
}

bool Pack(const PackSpec& spec, uint8_t* data, float* scales, int64_t* bad_row, int64_t* bad_col) {
  if (spec.source.type == WeightType::kFp8 && HasNan(spec, bad_row, bad_col)) return false;
  const PackedMatrix m = PlanPack(spec);
  if (!spec.transposed && m.type == spec.source.type) {
    PackRows(spec, m, data);
  } else {
    PackElements(spec, m, data);
  }
  if (m.type != WeightType::kFp8) return true;
  for (int tile = 0; tile < m.tiles(); ++tile) {
    for (int block = 0; block < m.k_blocks(); ++block) {
      const int64_t along_n = tile * kTile, along_k = static_cast<int64_t>(block) * kKBlock;
      scales[tile * m.k_blocks() + block] =
          spec.transposed ? SourceScale(spec.source, spec.row_begin - m.k_phase + along_k, along_n)
                          : SourceScale(spec.source, spec.row_begin + along_n, along_k);
    }
  }
  return true;
}

}  // namespace conclave::kernels
