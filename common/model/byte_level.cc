#include "common/model/byte_level.h"

#include <cstdint>

#include "common/model/utf8.h"

namespace conclave {
namespace {

constexpr bool StandsForItself(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) ||
         (byte >= 0xAE && byte <= 0xFF);
}

constexpr std::array<char32_t, 256> MakeAlphabet() {
  std::array<char32_t, 256> alphabet{};
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    alphabet[byte] = StandsForItself(byte) ? static_cast<char32_t>(byte) : next++;
  }
  return alphabet;
}

constexpr std::array<char32_t, 256> kAlphabet = MakeAlphabet();
constexpr int kSpan = 0x100 + 68;  // 68 bytes do not stand for themselves

constexpr std::array<int16_t, kSpan> MakeInverse() {
  std::array<int16_t, kSpan> inverse{};
  for (int16_t& entry : inverse) entry = -1;
  for (int byte = 0; byte < 256; ++byte) inverse[kAlphabet[byte]] = static_cast<int16_t>(byte);
  return inverse;
}

constexpr std::array<int16_t, kSpan> kInverse = MakeInverse();

}  // namespace

const std::array<char32_t, 256>& ByteLevelAlphabet() { return kAlphabet; }

std::optional<std::string> BytesOfByteLevel(std::string_view text) {
  std::string bytes;
  for (char32_t point : CodePoints(text)) {
    if (point >= kSpan || kInverse[point] < 0) return std::nullopt;
    bytes += static_cast<char>(kInverse[point]);
  }
  return bytes;
}

}  // namespace conclave
