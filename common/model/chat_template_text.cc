#include "common/model/chat_template_text.h"

#include <algorithm>

namespace conclave::chat {
namespace {

constexpr std::string_view kSpace = " \t\n\r";

// What a tag did to the text that follows it.
struct Before {
  bool strip = false;     // it ended in -%} or -}}
  bool block = false;     // a {% %} or {# #} tag, whose line break is swallowed
  bool at_start = false;  // there was none: the text begins the template
};

// Text between tags as it is printed. `strip`: the next tag begins with {%- or {{-. `block`: it is
// a {% %} or {# #} tag, whose indentation is swallowed.
std::string_view Printed(std::string_view text, Before before, bool strip, bool block) {
  bool line_start = before.at_start;
  if (before.strip || (before.block && text.starts_with('\n'))) {
    size_t skip = 1;
    if (before.strip) skip = std::min(text.find_first_not_of(kSpace), text.size());
    line_start = skip > 0 && text[skip - 1] == '\n';
    text.remove_prefix(skip);
  }
  if (strip) return text.substr(0, text.find_last_not_of(kSpace) + 1);
  const size_t line = text.rfind('\n') + 1;  // 0 without a line break
  if (block && (line > 0 || line_start) &&
      text.find_first_not_of(" \t", line) == std::string_view::npos) {
    text = text.substr(0, line);
  }
  return text;
}

// The inside of a tag without white space outside quotes, \n in quotes as a line break.
std::string Squeezed(std::string_view inside) {
  std::string out;
  char quote = 0;
  for (size_t i = 0; i < inside.size(); ++i) {
    const char c = inside[i];
    if (quote != 0 && c == '\\' && i + 1 < inside.size()) {
      if (inside[++i] == 'n') {
        out += '\n';
      } else {
        out += c;
        out += inside[i];
      }
      continue;
    }
    if (quote == 0 && kSpace.find(c) != std::string_view::npos) continue;
    if (quote != 0 ? c == quote : c == '\'' || c == '"') quote = quote != 0 ? 0 : c;
    out += c;
  }
  return out;
}

// The first {%, {{ or {# from `at` on.
size_t TagBegin(std::string_view text, size_t at) {
  for (; (at = text.find('{', at)) != std::string_view::npos; ++at) {
    if (at + 1 < text.size() &&
        std::string_view("%{#").find(text[at + 1]) != std::string_view::npos)
      return at;
  }
  return std::string_view::npos;
}

// Where the tag that begins at `begin` closes: the position of its two closing characters.
size_t TagEnd(std::string_view text, size_t begin, std::string_view close) {
  char quote = 0;
  for (size_t i = begin + 2; i + 1 < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0 && c == '\\') {
      ++i;
    } else if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (close != "#}" && (c == '\'' || c == '"')) {
      quote = c;
    } else if (text.substr(i, 2) == close) {
      return i;
    }
  }
  return std::string_view::npos;
}

}  // namespace

std::string CanonicalTemplate(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);  // as the template language drops it
  std::string out;
  Before before{.at_start = true};
  size_t at = 0;
  for (;;) {
    const size_t open = TagBegin(text, at);
    if (open == std::string_view::npos) break;
    const std::string_view close = text[open + 1] == '%'   ? "%}"
                                   : text[open + 1] == '{' ? "}}"
                                                           : "#}";
    const size_t end = TagEnd(text, open, close);
    if (end == std::string_view::npos) break;
    std::string_view inside = text.substr(open + 2, end - open - 2);
    const bool strip = inside.starts_with('-'), block = close != "}}";
    out += Printed(text.substr(at, open - at), before, strip, block);
    if (strip) inside.remove_prefix(1);
    before = {.strip = inside.ends_with('-'), .block = block};
    if (before.strip) inside.remove_suffix(1);
    if (close != "#}") {
      out += text.substr(open, 2);
      out += Squeezed(inside);
      out += close;
    }
    at = end + 2;
  }
  out += Printed(text.substr(at), before, false, false);
  return out;
}

bool PrintsOutsideTags(std::string_view canonical) {
  for (size_t at = 0; at < canonical.size();) {
    if (TagBegin(canonical, at) != at) return true;
    const size_t end = TagEnd(canonical, at, canonical[at + 1] == '%' ? "%}" : "}}");
    if (end == std::string_view::npos) return true;
    at = end + 2;
  }
  return false;
}

std::optional<std::vector<Term>> ParseSum(std::string_view expression) {
  std::vector<Term> terms;
  const auto take = [&expression](std::string_view word) {
    if (!expression.starts_with(word)) return false;
    expression.remove_prefix(word.size());
    return true;
  };
  do {
    if (take("message['content']") || take("message.content")) {
      terms.push_back({Term::Kind::kContent});
    } else if (take("bos_token")) {
      terms.push_back({Term::Kind::kBos});
    } else if (take("eos_token")) {
      terms.push_back({Term::Kind::kEos});
    } else if (!expression.empty() && (expression[0] == '\'' || expression[0] == '"')) {
      const size_t end = expression.find(expression[0], 1);
      if (end == std::string_view::npos) return std::nullopt;
      const std::string_view literal = expression.substr(1, end - 1);
      if (literal.find('\\') != std::string_view::npos) return std::nullopt;
      terms.push_back({Term::Kind::kLiteral, std::string(literal)});
      expression.remove_prefix(end + 1);
    } else {
      return std::nullopt;
    }
  } while (take("+"));
  if (!expression.empty()) return std::nullopt;
  return terms;
}

}  // namespace conclave::chat
