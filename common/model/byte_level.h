// GPT-2's printable alphabet for bytes, in which byte-level BPE files write their tokens: printable
// Latin-1 characters stand for themselves, the other bytes for U+0100 and up. Internal to this
// module.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace conclave {

// The character of each byte.
const std::array<char32_t, 256>& ByteLevelAlphabet();

// The bytes that `text` (well-formed UTF-8) stands for, or nothing when a character is outside the
// alphabet.
std::optional<std::string> BytesOfByteLevel(std::string_view text);

}  // namespace conclave
