#include "common/model/utf8.h"

#include <algorithm>
#include <cstdint>

namespace conclave {
namespace {

enum class Shape { kComplete, kInvalid, kIncomplete };

struct Character {
  Shape shape;
  size_t bytes;  // of the character, or of the maximal subpart
};

// Looks at the first character of non-empty `text`. Table 3-7 of the Unicode standard: only the
// second byte has lead-dependent bounds.
Character Look(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {Shape::kComplete, 1};
  size_t length = lead >= 0xC2 && lead <= 0xDF   ? 2
                  : lead >= 0xE0 && lead <= 0xEF ? 3
                  : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                 : 0;
  if (length == 0) return {Shape::kInvalid, 1};
  uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  for (size_t i = 1; i < length; ++i) {
    if (i == text.size()) return {Shape::kIncomplete, i};
    if (byte(i) < low || byte(i) > high) return {Shape::kInvalid, i};
    low = 0x80;
    high = 0xBF;
  }
  return {Shape::kComplete, length};
}

}  // namespace

std::optional<size_t> FirstInvalidUtf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    Character c = Look(text.substr(at));
    if (c.shape != Shape::kComplete) return at;
    at += c.bytes;
  }
  return std::nullopt;
}

size_t AppendLossyUtf8(std::string_view bytes, bool final, std::string& out) {
  size_t at = 0;
  while (at < bytes.size()) {
    Character c = Look(bytes.substr(at));
    if (c.shape == Shape::kComplete) {
      out.append(bytes, at, c.bytes);
    } else {
      if (c.shape == Shape::kIncomplete && !final) break;
      out += "\xEF\xBF\xBD";
    }
    at += c.bytes;
  }
  return at;
}

std::string Printable(std::string_view text, size_t max_bytes) {
  const bool cut = text.size() > max_bytes;
  std::string out;
  // Not final: a character that the cut goes through is left out.
  AppendLossyUtf8(text.substr(0, max_bytes), !cut, out);
  if (cut) out += "...";
  return out;
}

void AppendUtf8(char32_t code_point, std::string& out) {
  const auto push = [&](char32_t byte) { out += static_cast<char>(byte); };
  if (code_point < 0x80) {
    push(code_point);
  } else if (code_point < 0x800) {
    push(0xC0 | (code_point >> 6));
    push(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    push(0xE0 | (code_point >> 12));
    push(0x80 | ((code_point >> 6) & 0x3F));
    push(0x80 | (code_point & 0x3F));
  } else {
    push(0xF0 | (code_point >> 18));
    push(0x80 | ((code_point >> 12) & 0x3F));
    push(0x80 | ((code_point >> 6) & 0x3F));
    push(0x80 | (code_point & 0x3F));
  }
}

std::u32string CodePoints(std::string_view text) {
  std::u32string points;
  for (size_t at = 0; at < text.size();) {
    Character c = Look(text.substr(at));
    const uint8_t lead = static_cast<uint8_t>(text[at]);
    char32_t point = c.bytes == 1 ? lead : lead & (0xFF >> (c.bytes + 1));
    for (size_t i = 1; i < c.bytes; ++i)
      point = point << 6 | (static_cast<uint8_t>(text[at + i]) & 0x3F);
    points += point;
    at += c.bytes;
  }
  return points;
}

}  // namespace conclave
