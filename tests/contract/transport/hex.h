// Bytes as hexadecimal text, for addresses on a pipe.
#pragma once

#include <string>

namespace conclave {

inline std::string ToHex(const std::string& bytes) {
  std::string text;
  for (const char c : bytes) {
    text += "0123456789abcdef"[(c >> 4) & 15];
    text += "0123456789abcdef"[c & 15];
  }
  return text;
}

inline std::string FromHex(const std::string& text) {
  std::string bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2)
    bytes += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
  return bytes;
}

}  // namespace conclave
