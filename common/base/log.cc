#include "common/base/log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <ctime>

#include "common/base/clock.h"

namespace conclave {
namespace {

std::atomic<LogLevel> g_level{LogLevel::kInfo};

std::string& Role() {
  static std::string role = "conclave";
  return role;
}

constexpr std::string_view kLevelNames[] = {"debug", "info", "warning", "error", "off"};

// Length of the valid UTF-8 sequence at `s`, 0 if there is none.
size_t Utf8Length(std::string_view s) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned char c = at(0);
  if (c < 0x80) return 1;
  const size_t n = c >= 0xF0 && c <= 0xF4  ? 4
                   : c >= 0xE0 && c < 0xF0 ? 3
                   : c >= 0xC2 && c < 0xE0 ? 2
                                           : 0;
  if (n == 0 || s.size() < n) return 0;
  for (size_t i = 1; i < n; ++i) {
    if ((at(i) & 0xC0) != 0x80) return 0;
  }
  if ((c == 0xE0 && at(1) < 0xA0) || (c == 0xED && at(1) > 0x9F)) return 0;
  if ((c == 0xF0 && at(1) < 0x90) || (c == 0xF4 && at(1) > 0x8F)) return 0;
  return n;
}

std::string Timestamp() {
  const int64_t micros = WallMicros();
  const time_t seconds = micros / 1000000;
  tm utc;
  gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                     micros % 1000000);
}

}  // namespace

std::string JsonQuote(std::string_view text) {
  std::string out = "\"";
  for (size_t i = 0; i < text.size();) {
    const size_t n = Utf8Length(text.substr(i));
    const unsigned char c = static_cast<unsigned char>(text[i]);
    if (n == 0) {
      out += "\xEF\xBF\xBD";
      ++i;
      continue;
    }
    if (c == '"' || c == '\\') {
      out += '\\';
      out += text[i];
    } else if (c == '\n') {
      out += "\\n";
    } else if (c < 0x20) {
      out += fmt::format("\\u{:04x}", c);
    } else {
      out.append(text.substr(i, n));
    }
    i += n;
  }
  out += '"';
  return out;
}

LogField::LogField(std::string_view key, std::string_view text)
    : key_(key), json_(JsonQuote(text)) {}
LogField::LogField(std::string_view key, bool value) : key_(key), json_(value ? "true" : "false") {}
LogField::LogField(std::string_view key, double value, Number) : key_(key) {
  if (!std::isfinite(value)) {
    json_ = "null";
  } else if (value == std::floor(value) && std::fabs(value) < 9e15) {
    json_ = fmt::format("{}", static_cast<int64_t>(value));
  } else {
    json_ = fmt::format("{:.6g}", value);
  }
}

void SetLogRole(std::string role) { Role() = std::move(role); }
void SetLogLevel(LogLevel level) { g_level.store(level, std::memory_order_relaxed); }

bool ParseLogLevel(std::string_view text, LogLevel* level) {
  for (int i = 0; i < 5; ++i) {
    if (text == kLevelNames[i]) {
      *level = static_cast<LogLevel>(i);
      return true;
    }
  }
  return false;
}

void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (level < g_level.load(std::memory_order_relaxed)) return;
  std::string line = fmt::format(R"({{"time":"{}","level":"{}","role":{},"pid":{},"event":{})",
                                 Timestamp(), kLevelNames[static_cast<int>(level)],
                                 JsonQuote(Role()), getpid(), JsonQuote(event));
  for (const LogField& field : fields)
    line += fmt::format(",{}:{}", JsonQuote(field.key()), field.json());
  line += "}\n";
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace conclave
