// A chat template's text in a form that does not depend on how it was laid out, so that templates
// can be recognised by comparing text. Internal to this module.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace conclave::chat {

// The template's tags, and the text between them that would be printed, after the white-space
// control that chat templates are rendered with (`-` in tags, trim_blocks, lstrip_blocks).
// Outside quotes tags have no white space and no `-`; inside quotes \n is a line break. Comments
// are gone. Pure.
std::string CanonicalTemplate(std::string_view chat_template);

// Whether a canonical template prints text outside its tags.
bool PrintsOutsideTags(std::string_view canonical);

// One term of a printed sum.
struct Term {
  enum class Kind { kLiteral, kContent, kBos, kEos };
  Kind kind = Kind::kLiteral;
  std::string literal = {};  // of kLiteral
};

// The terms of an expression such as 'User: '+message['content']+eos_token, in canonical form.
// Nothing when it holds anything else.
std::optional<std::vector<Term>> ParseSum(std::string_view expression);

}  // namespace conclave::chat
