// Logs: one JSON object a line on stderr: time, level, role, event, then the fields.
//
//   LogInfo("sequence finished", {{"request", id}, {"tokens", n}});
//
// Thread-safe; a line is written with one write(2). Levels below the threshold cost one load.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

namespace conclave {

enum class LogLevel { kDebug = 0, kInfo = 1, kWarning = 2, kError = 3, kOff = 4 };

// One key with its value, already rendered as JSON.
class LogField {
 public:
  LogField(std::string_view key, std::string_view text);
  LogField(std::string_view key, const char* text) : LogField(key, std::string_view(text)) {}
  LogField(std::string_view key, const std::string& text) : LogField(key, std::string_view(text)) {}
  LogField(std::string_view key, bool value);
  template <typename T>
  requires std::is_arithmetic_v<T> LogField(std::string_view key, T value)
      : LogField(key, static_cast<double>(value), Number{}) {}

  std::string_view key() const { return key_; }
  const std::string& json() const { return json_; }

 private:
  struct Number {};
  LogField(std::string_view key, double value, Number);
  std::string_view key_;
  std::string json_;
};

// Called once at start-up, before other threads log.
void SetLogRole(std::string role);
void SetLogLevel(LogLevel level);
// Accepts debug, info, warning, error, off; false for anything else.
bool ParseLogLevel(std::string_view text, LogLevel* level);

void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

inline void LogDebug(std::string_view e, std::initializer_list<LogField> f = {}) {
  Log(LogLevel::kDebug, e, f);
}
inline void LogInfo(std::string_view e, std::initializer_list<LogField> f = {}) {
  Log(LogLevel::kInfo, e, f);
}
inline void LogWarning(std::string_view e, std::initializer_list<LogField> f = {}) {
  Log(LogLevel::kWarning, e, f);
}
inline void LogError(std::string_view e, std::initializer_list<LogField> f = {}) {
  Log(LogLevel::kError, e, f);
}

// `text` as a JSON string literal with its quotes; invalid UTF-8 bytes become U+FFFD.
std::string JsonQuote(std::string_view text);

}  // namespace conclave
