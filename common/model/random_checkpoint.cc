#include "common/model/random_checkpoint.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>

namespace conclave {
namespace {

constexpr int64_t kSlack = 16 << 20;       // elements by which windows differ in their start
constexpr int64_t kVector = 1 << 18;       // longest norm, and most scales of a tensor
constexpr double kSpread = 0.02;           // standard deviation of a weight
constexpr double kCodeSpread = 448 / 4.2;  // of its e4m3 code: the largest of 16384 is 448

uint64_t NextRandom(uint64_t* state) {  // xorshift64
  *state ^= *state << 13;
  *state ^= *state >> 7;
  return *state ^= *state << 17;
}

// The e4m3 code nearest to `value`.
uint8_t Encode(double value) {
  const double magnitude = std::min(std::abs(value), 448.0);
  int best = 0;
  double distance = 1e9;
  for (int code = 0; code < 0x7f; ++code) {
    const int exponent = code >> 3, mantissa = code & 7;
    const double decoded =
        exponent == 0 ? mantissa * 0x1p-9 : std::ldexp(1 + mantissa / 8.0, exponent - 7);
    if (std::abs(decoded - magnitude) < distance) {
      distance = std::abs(decoded - magnitude);
      best = code;
    }
  }
  return static_cast<uint8_t>(best | (value < 0 ? 0x80 : 0));
}

// A Gaussian as a table of equally likely values (sums of uniform numbers: the shape is enough).
std::vector<double> Gaussian() {
  std::vector<double> values(65536);
  uint64_t state = 88172645463325252u;
  for (double& value : values) {
    double sum = 0;
    for (int i = 0; i < 12; ++i) sum += static_cast<double>(NextRandom(&state) >> 11) * 0x1p-53;
    value = sum - 6;
  }
  return values;
}

bool EndsWith(const std::string& text, std::string_view end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}
bool IsProjection(const std::string& name) {
  return EndsWith(name, "_proj.weight") || EndsWith(name, "_with_mqa.weight");
}

template <class T>
TensorView Window(const std::string& name, TensorType type, const std::vector<int64_t>& shape,
                  const std::vector<T>& pool, int64_t slack) {
  TensorView view{.name = name, .type = type, .shape = shape, .mapped = false};
  view.bytes = sizeof(T);
  for (int64_t size : shape) view.bytes *= size;
  const int64_t at = static_cast<int64_t>(std::hash<std::string>{}(name) % (slack / 64)) * 64;
  view.data = reinterpret_cast<const uint8_t*>(pool.data() + at);
  return view;
}

}  // namespace

RandomCheckpoint::RandomCheckpoint(int64_t largest)
    : codes_(largest + kSlack),
      bf16_(largest + kSlack),
      scales_(kVector, static_cast<float>(kSpread / kCodeSpread)),
      ones_(kVector, 1.0f),
      zeros_(kVector, 0.0f) {
  const std::vector<double> gaussian = Gaussian();
  std::vector<uint8_t> codes;
  std::vector<uint16_t> bf16;
  for (double value : gaussian) {
    codes.push_back(Encode(value * kCodeSpread));
    bf16.push_back(
        static_cast<uint16_t>(std::bit_cast<uint32_t>(static_cast<float>(value * kSpread)) >> 16));
  }
  uint64_t state = 1181783497276652981u;
  for (size_t i = 0; i < codes_.size(); ++i) {
    const uint64_t random = NextRandom(&state);
    codes_[i] = codes[random >> 20 & 65535];
    bf16_[i] = bf16[random >> 40 & 65535];
  }
}

bool RandomCheckpoint::Has(const std::string& name) const {
  return IsProjection(name) || EndsWith(name, ".weight");
}

absl::StatusOr<TensorView> RandomCheckpoint::Get(const std::string& name,
                                                 const std::vector<int64_t>& shape) const {
  int64_t elements = 1;
  for (int64_t size : shape) elements *= size;
  const bool matrix = shape.size() == 2;
  const bool scale = EndsWith(name, "_scale_inv");
  const int64_t limit =
      matrix && !scale ? static_cast<int64_t>(codes_.size()) - kSlack : int64_t{kVector};
  if (elements > limit) {
    return InvalidArgument("random tensor {} of {} elements, this checkpoint has at most {}", name,
                           elements, limit);
  }
  if (scale) return Window(name, TensorType::kF32, shape, scales_, 64);
  if (IsProjection(name)) return Window(name, TensorType::kF8E4M3, shape, codes_, kSlack);
  if (matrix) return Window(name, TensorType::kBF16, shape, bf16_, kSlack);
  return Window(name, TensorType::kF32, shape, EndsWith(name, "bias") ? zeros_ : ones_, 64);
}

}  // namespace conclave
