#define PCRE2_CODE_UNIT_WIDTH 8
#include "common/model/pre_tokenizer.h"

#include <pcre2.h>

namespace conclave {
namespace {

// ^ and $ match at line breaks (PCRE2_MULTILINE), as they always do in Oniguruma's Ruby syntax.
//
// Unicode's White_Space. PCRE2's own \s also takes U+180E, which has not been white space since
// Unicode 6.3, so \s is written out.
constexpr std::string_view kWhiteSpace =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";

absl::StatusOr<std::string> Translate(const std::string& pattern, const std::string& origin) {
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      const char next = pattern[++i];
      if (next == 's') {
        out += in_class ? std::string(kWhiteSpace) : fmt::format("[{}]", kWhiteSpace);
      } else if (next == 'S' && !in_class) {
        out += fmt::format("[^{}]", kWhiteSpace);
      } else if (next == 'S') {
        return InvalidArgument("{}: pattern {} has \\S inside a class, which is not supported",
                               origin, pattern);
      } else {
        out += c;
        out += next;
      }
      continue;
    }
    if (c == '[' && in_class && i + 1 < pattern.size() && pattern[i + 1] != ':') {
      return InvalidArgument("{}: pattern {} has a class inside a class, which is not supported",
                             origin, pattern);
    }
    if (c == '[') in_class = true;
    if (c == ']') in_class = false;
    out += c;
  }
  return out;
}

std::string ErrorText(int code) {
  PCRE2_UCHAR buffer[256];
  if (pcre2_get_error_message(code, buffer, sizeof buffer) < 0)
    return fmt::format("error {}", code);
  return reinterpret_cast<const char*>(buffer);
}

struct MatchData {
  pcre2_match_data* data;
  ~MatchData() { pcre2_match_data_free(data); }
};

}  // namespace

struct PreTokenizer::Pattern {
  pcre2_code* code = nullptr;
  pcre2_match_context* context = nullptr;
  ~Pattern() {
    pcre2_match_context_free(context);
    pcre2_code_free(code);
  }

  absl::Status Compile(const std::string& pattern, const std::string& origin) {
    ASSIGN_OR_RETURN(std::string translated, Translate(pattern, origin));
    int error = 0;
    PCRE2_SIZE where = 0;
    code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                         PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error,
                         &where, nullptr);
    if (code == nullptr) {
      return InvalidArgument("{}: pattern {} does not compile: {} (near offset {})", origin,
                             pattern, ErrorText(error), where);
    }
    uint32_t matches_empty = 0;
    pcre2_pattern_info(code, PCRE2_INFO_MATCHEMPTY, &matches_empty);
    if (matches_empty != 0) {
      return InvalidArgument("{}: pattern {} can match the empty string, which splits nothing",
                             origin, pattern);
    }
    // Without JIT support the interpreter does the same, only slower.
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    context = pcre2_match_context_create(nullptr);
    if (context == nullptr) return ResourceExhausted("{}: no memory for a match context", origin);
    // A run of white space is given back character by character once; the default limit of ten
    // million steps would refuse texts of that length, and the patterns that are accepted stay
    // linear.
    pcre2_set_match_limit(context, UINT32_MAX);
    return absl::OkStatus();
  }

  int Match(std::string_view text, size_t at, pcre2_match_data* data) const {
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    // The text was checked once; a check per call would make encoding quadratic.
    int rc = pcre2_match(code, subject, text.size(), at, PCRE2_NO_UTF_CHECK, data, context);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT) {
      rc = pcre2_match(code, subject, text.size(), at, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data,
                       context);
    }
    return rc;
  }

  absl::Status Split(std::string_view text, pcre2_match_data* data,
                     std::vector<std::string_view>& out) const {
    for (size_t at = 0; at < text.size();) {
      int rc = Match(text, at, data);
      if (rc == PCRE2_ERROR_NOMATCH) {
        out.push_back(text.substr(at));
        break;
      }
      if (rc < 0)
        return Internal("matching a split pattern over {} bytes: {}", text.size(), ErrorText(rc));
      const PCRE2_SIZE* range = pcre2_get_ovector_pointer(data);
      const size_t begin = range[0], end = range[1];
      // \K could move the start; an empty match was excluded when the pattern was compiled.
      if (begin < at || end <= begin)
        return Internal("a split pattern matched [{}, {}) from {}", begin, end, at);
      if (begin > at) out.push_back(text.substr(at, begin - at));
      out.push_back(text.substr(begin, end - begin));
      at = end;
    }
    return absl::OkStatus();
  }
};

PreTokenizer::PreTokenizer() = default;
PreTokenizer::~PreTokenizer() = default;

absl::StatusOr<std::unique_ptr<PreTokenizer>> PreTokenizer::Create(
    const std::vector<std::string>& patterns, const std::string& origin) {
  std::unique_ptr<PreTokenizer> result(new PreTokenizer());
  for (const std::string& text : patterns) {
    auto pattern = std::make_unique<Pattern>();
    RETURN_IF_ERROR(pattern->Compile(text, origin));
    result->patterns_.push_back(std::move(pattern));
  }
  return result;
}

absl::Status PreTokenizer::Split(std::string_view text,
                                 std::vector<std::string_view>& pieces) const {
  pieces.clear();
  if (text.empty()) return absl::OkStatus();
  pieces.push_back(text);
  if (patterns_.empty()) return absl::OkStatus();
  MatchData match{pcre2_match_data_create(1, nullptr)};
  if (match.data == nullptr) return ResourceExhausted("no memory for match data");
  std::vector<std::string_view> next;
  for (const auto& pattern : patterns_) {
    next.clear();
    for (std::string_view piece : pieces) RETURN_IF_ERROR(pattern->Split(piece, match.data, next));
    pieces.swap(next);
  }
  return absl::OkStatus();
}

}  // namespace conclave
