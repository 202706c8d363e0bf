// UTF-8 as Unicode defines it: no surrogates, no overlong forms, nothing above U+10FFFF. Internal
// to this module.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace conclave {

// Offset of the first byte that is not part of a well-formed character.
std::optional<size_t> FirstInvalidUtf8(std::string_view text);

// Appends `bytes` to `out` with one U+FFFD for each maximal invalid subpart, and returns how many
// bytes were consumed. Unless `final`, a tail that may still become a character is left unconsumed
// (at most 3 bytes).
size_t AppendLossyUtf8(std::string_view bytes, bool final, std::string& out);

// For error messages: `text` made well-formed, and cut to at most `max_bytes` between characters,
// then with "..." behind it.
std::string Printable(std::string_view text, size_t max_bytes);

// Appends one code point. The caller ensures that it is a scalar value.
void AppendUtf8(char32_t code_point, std::string& out);

// The code points of well-formed UTF-8.
std::u32string CodePoints(std::string_view text);

}  // namespace conclave
